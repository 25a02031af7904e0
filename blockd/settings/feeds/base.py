"""The base of all feeds: their common keys, and the properties of a kind by which the rest of blockd tells kinds apart.

It never asks for a feed's class. Cross checks read the file's values as they came, and skip those that are wrong by
themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal
from urllib.parse import urlsplit

from pydantic import Field

from blockd.orders import Action, Mandate, Order
from blockd.settings.authorities import Notify
from blockd.settings.gate import GateSettings
from blockd.settings.limits import Limits
from blockd.settings.section import LongText, Section, Whole, setting
from blockd.settings.values import Moment, stated

FeedName = Annotated[str, Field(strict=True, pattern=r"^[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?$")]


def shown_place(place: str) -> str:
    """Return a path or URL as sentences name it: of a URL neither user, password, query nor fragment is shown."""
    parts = urlsplit(place) if place.startswith(("http://", "https://")) else None
    if parts is None:
        return place
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{parts.path}{'?…' if parts.query else ''}"


CrossCheck = Callable[[Mapping[str, Any]], Iterator[tuple[str, str]]]
"""Yields the key below the feed, empty for the feed itself, and the problem's sentence."""


class Feed(Section):
    """One feed of the config."""

    # Properties of the kind.
    is_zone: ClassVar[bool] = False  # a policy zone: asked one after the other, and its serial never goes backwards
    is_signed: ClassVar[bool] = False  # an authority signs each order: the gate limits neither size nor rejects
    is_text: ClassVar[bool] = False  # one text in a file or behind a URL, dated by its source
    is_own: ClassVar[bool] = False  # blockd's own: no config names it, and it may be empty
    source_keys: ClassVar[frozenset[str]] = frozenset(
        ("interval", "at_expiry", "gate", "limits")
    )  # that change no ruleset
    cross_checks: ClassVar[tuple[CrossCheck, ...]] = ()

    name: FeedName = Field(description="The feed's name, as metrics and commands call it.")
    type: str  # each kind has its own
    priority: Whole = setting(50, "Which feed wins if two list a name: the lower one.", ge=0, le=1000)
    at_expiry: Literal["keep", "stop"] = setting(
        "keep", "When the feed is at its end: keep enforcing and warn, or stop until it is renewed."
    )
    gate: GateSettings | None = setting(
        None, "What the feed's content must pass where it differs from `gate`.", validate_default=False
    )
    limits: Limits | None = setting(
        None, "What the feed may take of this machine where it differs from `limits`.", validate_default=False
    )

    @classmethod
    def type_name(cls) -> str:
        """Return the `type` that the config has for this kind."""
        return str(cls.model_fields["type"].annotation.__args__[0])  # type: ignore[union-attr]

    @property
    def place(self) -> str:
        """Where its content comes from, in messages and reports."""
        raise NotImplementedError

    @property
    def local_path(self) -> Path | None:
        """The file or folder of this machine that it is read from; None if it comes from elsewhere."""
        return None

    @property
    def shown_place(self) -> str:
        """Its place as sentences name it: on one line, and without the query of a URL, which may hold a secret."""
        return shown_place(self.place)

    @property
    def fetched_from(self) -> str:
        """What it is fetched from if it has no `local_path`: the host of a URL, or what else its place says."""
        return urlsplit(self.place).netloc or self.place

    @property
    def is_urgent(self) -> bool:
        """Whether its news never wait for those of other feeds: overrides, and what an authority signs."""
        return self.is_own or self.is_signed

    @property
    def is_kept_by_hand(self) -> bool:
        """Whether the operator keeps it by hand, and so may empty it: a file that the config says is no order by law.

        That is, it lets names pass, or the config itself says that the operator or a client wants the block.
        """
        return False

    @property
    def public_key(self) -> Path | None:
        """The file with the key of its detached signature; None if it has none."""
        return None

    @property
    def root_of_trust(self) -> Path | None:
        """The file with the first root of trust of a signed repository; None for other kinds."""
        return None

    @property
    def hinted_by(self) -> Notify | None:
        """Whose NOTIFY (RFC 1996) triggers a poll; None if nobody's does."""
        return None

    @property
    def max_silence(self) -> float | None:
        """How many seconds after the last good poll the feed is at its end; None if that does not end it."""
        return None

    @property
    def roles(self) -> frozenset[str]:
        """Authorities whose `at_expiry` the config sets."""
        return frozenset()

    def end(self, *, checked: float, expires: float | None) -> float | None:
        """Return when the feed ends unless it is renewed, in seconds since the epoch; None if it does not.

        `checked` is when it was polled successfully last, 0 for never, and `expires` the end that its content names.
        """
        return None

    def at_expiry_of(self, role: str) -> Literal["keep", "stop"]:
        """Return what is done with an authority's orders at its end; an empty role is the feed itself."""
        return self.at_expiry

    @property
    def poll_interval(self) -> float:
        """The seconds between two polls, as configured."""
        return float(getattr(self, "interval"))  # noqa: B009 - kinds declare it with defaults of their own


class OrderingFeed(Feed):
    """A feed without orders of its own, with the texts of the orders that it stands for."""

    authority: LongText = setting("", "Who ordered it; if empty, nobody is named.")
    platform: LongText = setting("", "The service it is about; if empty, none is named.")
    legal_basis: LongText = setting("", "The law or rule it is based on.")
    reference: LongText = setting("", "The letter or decision, so that it can be found.")
    contact: LongText = setting("", "Where to object: a mail address or a URL.")
    mandate: Annotated[Mandate | None, stated(Mandate)] = setting(
        "",
        "Who wants the block: law, operator or client. With operator or client, the block page's status is 403 and not "
        "451. If empty, law with a legal_basis, else not stated.",
    )
    in_force_from: Moment = setting("", "Since when it is in force; if empty, from when it is taken, without a date.")

    def order_with(self, identifier: str, action: Action, **what: Any) -> Order:
        """Return an order with the feed's texts, and with nothing that the config does not state."""
        return Order(
            id=identifier,
            list_name=self.name,
            authority=self.authority,
            platform=self.platform,
            action=action,
            mandate=self.mandate or (Mandate.LAW if self.legal_basis else None),
            in_force_from=self.in_force_from,
            legal_basis=self.legal_basis,
            reference=self.reference,
            contact=self.contact,
            **what,
        )
