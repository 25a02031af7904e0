"""Response policy zones, as zone files and by transfer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from blockd.orders.repository import MAX_AUTHORITIES
from blockd.settings.addresses import NamedPrimary, SocketAddress
from blockd.settings.authorities import AuthorityName, Notify
from blockd.settings.feeds.base import CrossCheck, Feed, OrderingFeed
from blockd.settings.feeds.text import TextFeed
from blockd.settings.section import setting
from blockd.settings.transfer import Primaries, Tsig
from blockd.settings.values import OverrideTarget, TargetName, ZoneName, one_of, size_within, time_within


class ZoneOverride(StrEnum):
    """What a policy zone's rules do instead of their own actions."""

    GIVEN = "given"
    DISABLED = "disabled"
    PASSTHRU = "passthru"
    DROP = "drop"
    NODATA = "nodata"
    NXDOMAIN = "nxdomain"
    TCP_ONLY = "tcp-only"
    CNAME = "cname"


def _target_of_override(feed: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    target = feed.get("override_target") not in (None, "")
    if (feed.get("override") == "cname") != target:
        yield "override_target", "the override cname needs a target, and no other override has one"


class ZoneFeed(OrderingFeed):
    """A response policy zone, by file or by transfer."""

    is_zone: ClassVar[bool] = True
    cross_checks: ClassVar[tuple[CrossCheck, ...]] = (_target_of_override,)

    zone: TargetName = setting("", "The zone's name; if empty, the owner of its SOA record.")
    override: Annotated[ZoneOverride, one_of(ZoneOverride)] = setting(
        "given", "The action of all its rules: given is each rule's own, disabled only counts."
    )
    override_target: OverrideTarget = setting(
        "", "The name answered instead, if the override is cname; with `*.x` it is the name asked for, below x."
    )
    may_lift: tuple[AuthorityName, ...] = setting(
        (), "Authorities whose orders it may open, each FEED/ROLE, or FEED for all of a signed feed.",
        max_length=MAX_AUTHORITIES,
    )  # fmt: skip


class RpzFeed(ZoneFeed, TextFeed):
    """A response policy zone as a zone file."""

    cross_checks: ClassVar[tuple[CrossCheck, ...]] = (*TextFeed.cross_checks, *ZoneFeed.cross_checks)
    source_keys: ClassVar[frozenset[str]] = TextFeed.source_keys

    type: Literal["rpz"] = Field(description="A response policy zone as a zone file.")


class TransferFeed(ZoneFeed):
    """A response policy zone by zone transfer."""

    source_keys: ClassVar[frozenset[str]] = Feed.source_keys | {"primary", "tsig", "min_refresh", "max_size"}

    type: Literal["rpz-transfer"] = Field(description="A response policy zone by zone transfer.")
    primary: Primaries = Field(description="The primary's address or name, perhaps with a port, or a list of several.")
    zone: ZoneName = Field(description="The zone's name.")
    tsig: Tsig | None = setting(None, "The key that transfers are signed with.", validate_default=False)
    min_refresh: Annotated[float, time_within("100ms", "1d")] = setting(
        "30s",
        "Primaries are asked as often as the zone's SOA says, but not more often than this unless a poll failed.",
    )
    max_size: Annotated[int, size_within("1K", "64G")] = setting("8G", "The largest size taken, as zone text.")

    @property
    def place(self) -> str:
        """The zone and its primaries."""
        return f"zone {self.zone} of {', '.join(map(str, self.primary))}"

    @property
    def fetched_from(self) -> str:
        """Its primaries."""
        return ", ".join(primary.text for primary in self.primary)

    @property
    def has_named_primaries(self) -> bool:
        """Whether addresses have to be looked up."""
        return any(isinstance(primary, NamedPrimary) for primary in self.primary)

    @property
    def hinted_by(self) -> Notify:
        """Its primaries, signed with its key if it has one; of those with a name, addresses are looked up."""
        sources = tuple(primary.host for primary in self.primary if isinstance(primary, SocketAddress))
        return Notify.model_construct(zone=self.zone, sources=sources, tsig=self.tsig)

    def end(self, *, checked: float, expires: float | None) -> float | None:
        """Return when the zone's expire time is over."""
        return expires

    @property
    def poll_interval(self) -> float:
        """The shortest time between two polls."""
        return self.min_refresh
