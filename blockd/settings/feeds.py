"""The feeds of the config file: where lists come from, and the order that a list without one stands for."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PlainValidator

from blockd.orders import Action, Mandate, Order, Scope
from blockd.orders.repository import MAX_AUTHORITIES
from blockd.settings.authorities import Authority, Notify, Role
from blockd.settings.places import ConfigPath, RepositoryUrl, list_url_from_text, path_from_text
from blockd.settings.section import LongText, Section, Whole, setting
from blockd.settings.transfer import Primaries, Tsig
from blockd.settings.values import Moment, TargetName, ZoneName, one_of, size_within, time_within

UNNAMED_AUTHORITY = "the operator of this resolver"
PATH_INTERVAL = "2s"  # looking at a file's times costs nothing
MAX_MIRRORS = 8  # of one repository, beside its own URL; each is asked now and then
URL_INTERVAL = "1h"  # a list's server is somebody else's

ListPath = Annotated[Path | None, PlainValidator(path_from_text)]
ListUrl = Annotated[str | None, PlainValidator(list_url_from_text)]
FeedName = Annotated[str, Field(strict=True, pattern=r"^[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?$")]


ZONE_ACTIONS = frozenset(action for action in Action if action.is_zones)


class Override(StrEnum):
    """What a policy zone's rules do instead of what each of them says."""

    GIVEN = "given"
    DISABLED = "disabled"
    PASSTHRU = "passthru"
    DROP = "drop"
    NODATA = "nodata"
    NXDOMAIN = "nxdomain"
    TCP_ONLY = "tcp-only"
    CNAME = "cname"


def _list_interval(known: dict[str, Any]) -> Any:
    return PATH_INTERVAL if known.get("path") else URL_INTERVAL


def _list_mandate(known: dict[str, Any]) -> Any:
    return Mandate.LAW.value if known.get("legal_basis") else Mandate.OPERATOR.value


def _given(value: object) -> object:
    """Refuse a key without a value, which must not leave a list unproved."""
    if value is None:
        raise ValueError("an empty value is no signature; allowed is a mapping with at least type and key")
    return value


class Feed(Section):
    """What every feed has."""

    name: FeedName = Field(description="The feed's name, as metrics and commands call it.")
    priority: Whole = setting(50, "Which feed wins where two list a name: the lower one.", ge=0, le=1000)
    at_expiry: Literal["keep", "stop"] = setting(
        "keep", "When the feed is at its end: keep enforcing and tell, or stop until it is good again."
    )


class SignedFeed(Feed):
    """A repository of orders that authorities sign."""

    type: Literal["signed"] = Field(description="A signed repository of orders.")
    url: RepositoryUrl = Field(description="Where the repository is: http, https, or file with a folder.")
    mirrors: tuple[RepositoryUrl, ...] = setting(
        (), "Other places with the same repository; the newest of all is taken.", max_length=MAX_MIRRORS
    )
    root: ConfigPath = Field(description="The file with the first root of trust, handed over out of band.")
    interval: Annotated[float, time_within("100ms", "7d")] = setting("5s", "How often it is looked at.")
    authorities: dict[Role, Authority] = setting(
        {}, "By role, what is done with authorities whose end is not treated as the feed's.", max_length=MAX_AUTHORITIES
    )
    notify: Notify | None = setting(None, "Whose NOTIFY wakes the next look.", validate_default=False)

    def at_expiry_of(self, role: str) -> Literal["keep", "stop"]:
        """What is done with an authority's orders at its end; an empty role stands for the repository itself."""
        return self.authorities[role].at_expiry if role in self.authorities else self.at_expiry


class Signature(Section):
    """A signature in a file of its own, by which a list is proved before it is read."""

    type: Literal["rsa-sha256", "minisign"] = Field(description="The form of its signature: rsa-sha256 or minisign.")
    key: ConfigPath = Field(description="The file with the public key, handed over out of band.")
    path: ListPath = setting(
        None, "The signature's file; if none, the list's own path and .sign, or .minisig.", validate_default=False
    )
    url: ListUrl = setting(
        None, "The signature's URL; if none, the list's own URL and .sign, or .minisig.", validate_default=False
    )

    @property
    def suffix(self) -> str:
        """What stands behind the list's place where no other place is given."""
        return {"rsa-sha256": ".sign", "minisign": ".minisig"}[self.type]


class OrderingFeed(Feed):
    """What is said of the orders that a feed without orders of its own stands for."""

    authority: LongText = setting("", f"Who ordered it; if empty, {UNNAMED_AUTHORITY}.")
    platform: LongText = setting("", "The service it is about; if empty, the feed's name.")
    legal_basis: LongText = setting("", "The law or rule it rests on.")
    reference: LongText = setting("", "The letter or decision, so that it can be found.")
    contact: LongText = setting("", "Where to object: a mail address or a URL.")
    mandate: Annotated[Mandate, one_of(Mandate)] = Field(
        default_factory=_list_mandate,
        description="Who wants the block: law, operator or client.",
        json_schema_extra={"default": "law with a legal_basis, else operator"},
    )
    in_force_from: Moment = setting("", "Since when it is in force; if empty, since it was first seen.")

    def order_with(self, default_from: int, identifier: str, action: Action, **what: Any) -> Order:
        """Give an order with the feed's texts; `default_from` is its date where the config has none."""
        return Order(
            id=identifier,
            authority=self.authority or UNNAMED_AUTHORITY,
            platform=self.platform or self.name,
            action=action,
            mandate=self.mandate,
            in_force_from=default_from if self.in_force_from is None else self.in_force_from,
            legal_basis=self.legal_basis,
            reference=self.reference,
            contact=self.contact,
            **what,
        )


class TextFeed(OrderingFeed):
    """A text, in a file or behind a URL."""

    path: ListPath = setting(None, "The list's file; a feed has a path or a url.", validate_default=False)
    url: ListUrl = setting(None, "The list's http or https URL; a feed has a path or a url.", validate_default=False)
    signature: Annotated[Signature | None, BeforeValidator(_given)] = setting(
        None, "How the list is signed; if none, it is not.", validate_default=False
    )
    interval: Annotated[float, time_within("100ms", "7d")] = Field(
        default_factory=_list_interval,
        description="How often it is looked at.",
        json_schema_extra={"default": f"{PATH_INTERVAL} for a path, {URL_INTERVAL} for a url"},
    )
    max_size: Annotated[int, size_within("1K", "64G")] = setting("1G", "The largest size taken, uncompressed.")
    max_age: Annotated[float | None, time_within("1s", "3650d")] = setting(
        None, "How long after the last good look the feed is at its end; if none, never.", validate_default=False
    )

    @property
    def source(self) -> Path | str:
        """The path or the URL; a checked feed has exactly one."""
        return self.path or self.url or ""


class ListFeed(TextFeed):
    """A text list of names; one order, made of the texts here, covers all of them."""

    action: Annotated[Action, one_of(Action, ZONE_ACTIONS)] = setting("sinkhole", "What is done with its names.")
    cname: TargetName = setting("", "The name answered instead, where the action is cname.")

    def order(self, default_from: int) -> Order:
        """Give the order that this feed stands for; `default_from` is its date where the config has none."""
        return self.order_with(default_from, self.name, self.action, cname=self.cname)


class DomainsFeed(ListFeed):
    """One name a line."""

    type: Literal["domains"] = Field(description="A text list, one name a line.")
    scope: Annotated[Scope, one_of(Scope)] = setting("both", "What a name covers: exact, subdomains, both.")


class HostsFeed(ListFeed):
    """A hosts file: an address, then names."""

    type: Literal["hosts"] = Field(description="A hosts file: an address, then names.")
    scope: Annotated[Scope, one_of(Scope)] = setting("exact", "What a name covers: exact, subdomains, both.")


class AdblockFeed(ListFeed):
    """A list in the syntax of ad blockers; each rule says what it covers."""

    type: Literal["adblock"] = Field(description="The rules for names in an ad blocker's list.")


class ZoneFeed(OrderingFeed):
    """A response policy zone, however it comes."""

    zone: TargetName = setting("", "The zone's name; if empty, the owner of its SOA record.")
    override: Annotated[Override, one_of(Override)] = setting(
        "given", "The action of all its rules: given is the one each has, disabled only counts."
    )
    override_target: TargetName = setting("", "The name answered instead, where the override is cname.")


class RpzFeed(ZoneFeed, TextFeed):
    """A response policy zone as a zone file."""

    type: Literal["rpz"] = Field(description="A response policy zone as a zone file.")


class TransferFeed(ZoneFeed):
    """A response policy zone by zone transfer."""

    type: Literal["rpz-transfer"] = Field(description="A response policy zone by zone transfer.")
    primary: Primaries = Field(description="The primary's address, perhaps with a port, or a list of several.")
    zone: ZoneName = Field(description="The zone's name.")
    tsig: Tsig | None = setting(None, "The key that transfers are signed with.", validate_default=False)
    min_refresh: Annotated[float, time_within("100ms", "1d")] = setting(
        "30s", "Primaries are asked as often as the zone's SOA says, but not more often than this."
    )
    max_size: Annotated[int, size_within("1K", "64G")] = setting("8G", "The largest size taken, as zone text.")


class OverridesFeed(Feed):
    """The operator's local overrides, a feed that no config names: blockd always has it."""

    name: Literal["overrides"] = "overrides"
    type: Literal["overrides"] = "overrides"
    priority: Whole = 0
    path: Path  # the file that `blockd override` changes
    interval: float = 3600.0  # seconds; each change is looked at at once


ConfiguredFeed = Annotated[
    SignedFeed | DomainsFeed | HostsFeed | AdblockFeed | RpzFeed | TransferFeed, Field(discriminator="type")
]
AnyFeed = SignedFeed | DomainsFeed | HostsFeed | AdblockFeed | RpzFeed | TransferFeed | OverridesFeed
OVERRIDES = "overrides"  # the name that is taken
FEED_TYPES: dict[str, type[Feed]] = {
    "signed": SignedFeed,
    "domains": DomainsFeed,
    "hosts": HostsFeed,
    "adblock": AdblockFeed,
    "rpz": RpzFeed,
    "rpz-transfer": TransferFeed,
}
