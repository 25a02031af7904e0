"""The gate: checks that a compiled ruleset passes before it is enforced. A refusal leaves the old one in force."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum

from blockd.dns.serial import is_older
from blockd.errors import FeedRefused, GateRefused
from blockd.ruleset.catalogue import FeedRecord
from blockd.ruleset.counts import several_of
from blockd.ruleset.gate.guard import Guard
from blockd.ruleset.gate.network_guard import OwnNetworks
from blockd.settings import ZONE_TYPES, Feed

GROWTH_FLOOR = 10_000  # entries; up to so many a list may come from any size: it has only just begun
SIZE_FLOOR = 1_000  # entries; a list with less may lose any share of them: each edit of it is one


class Emptiness(Enum):
    """When a feed may hold no entry at all, beside `min_names`."""

    AS_LEAST = "as min_names says"
    OWN_LIST = "a list that the operator keeps by hand, while it has few names"
    ZONE = "a zone that its primary or its file emptied with a newer serial, while it has few rules or may lose all"


@dataclass(frozen=True, slots=True)
class Gate:
    """What a feed's new content must fulfil; shares are from 0 to 1, `max_growth` may be more.

    `guard` decides what is held back of content that passes. `of` returns the gate of one feed, which alone decides:
    `feeds` has those of the feeds with keys of their own, whose names are in `own_keys`.
    """

    max_shrink: float = 0.20
    min_names: int = 1
    max_rejects: float = 0.20
    max_growth: float = 1.0
    guard: Guard = field(default_factory=Guard)
    is_least_set: bool = False  # whether the config has `min_names`
    own_keys: frozenset[str] = frozenset()
    emptiness: Emptiness = Emptiness.AS_LEAST
    feeds: Mapping[str, Gate] = field(default_factory=dict)

    def of(self, feed: Feed) -> Gate:
        """Return the gate that holds for a feed."""
        gate = self.feeds.get(feed.name, self)
        if "min_names" in gate.own_keys:
            return gate
        if feed.is_kept_by_hand and not (gate.is_least_set and gate.min_names):
            return replace(gate, min_names=0, emptiness=Emptiness.OWN_LIST)
        if feed.is_zone and not (gate.is_least_set and gate.min_names):
            return replace(gate, min_names=0, emptiness=Emptiness.ZONE)
        return replace(gate, min_names=max(1, gate.min_names))

    @property
    def limits(self) -> tuple[float, float]:
        """The limits on changes of size."""
        return self.max_shrink, self.max_growth

    def guards(self) -> dict[str, Guard]:
        """Return the guards of the feeds that have one of their own, by feed."""
        digest = self.guard.digest
        return {name: gate.guard for name, gate in self.feeds.items() if gate.guard.digest != digest}

    def standing_on(self, own: OwnNetworks) -> Gate:
        """Return the gate by which no list may block what is this resolver's own."""
        feeds = {name: replace(gate, guard=gate.guard.standing_on(own)) for name, gate in self.feeds.items()}
        return replace(self, guard=self.guard.standing_on(own), feeds=feeds)

    def releasing(self, keys: Iterable[bytes]) -> Gate:
        """Return the gate that lets through the entries with these keys, of every feed."""
        released = frozenset(keys)
        feeds = {name: replace(gate, guard=gate.guard.releasing(released)) for name, gate in self.feeds.items()}
        return replace(self, guard=self.guard.releasing(released), feeds=feeds)

    def check(
        self,
        new: FeedRecord,
        old: FeedRecord | None,
        lasting: int | None = None,
        *,
        accepted: int | None = None,
        waived: bool = False,
    ) -> None:
        """Raise FeedRefused if `new` must not replace `old`, the record of the same feed in the version in force.

        `lasting` is the size that the feed had for longest in the last days, see `blockd.ruleset.gate.sizes`, and
        `accepted` is the number of its lines that were taken, repetitions included; if None, that of its names. It is a
        GateRefused if an operator may take the content nevertheless, and none if he has: `waived`.
        """
        if old is not None and _went_back(new, old):
            raise FeedRefused(
                "rollback",
                f"its serial is {new.version}, which is older than {old.version}, the one in force (RFC 1982). If the "
                "zone was really started anew, give it a newer serial, or the feed another name",
            )
        if waived:
            return
        self._check_least(new, old, lasting)
        lines = (new.names if accepted is None else accepted) + new.rejected
        if new.rejected > self.max_rejects * lines:
            raise GateRefused(
                "rejects",
                f"{new.rejected} of {lines} lines are not valid {several_of(new.type)}, more than "
                f"{self.max_rejects:.0%} ({self._key('max_rejects')})",
            )
        if old is not None:
            self._compare(new, old.names, f"{old.names} are in force")
        if lasting is not None:
            self._compare(new, lasting, f"it had {lasting} for most of the last days")

    def _check_least(self, new: FeedRecord, old: FeedRecord | None, lasting: int | None) -> None:
        several = several_of(new.type)
        rejected = f", and {new.rejected} lines are not valid {several}" if new.rejected else ""
        nothing = f"it holds 0 {several}{rejected}"
        least = self.min_names
        if new.names < least:
            raise GateRefused(
                "empty",
                f"it holds {new.names} {several}{rejected}; at least {least} are required ({self._key('min_names')})",
            )
        if new.names or self.emptiness is Emptiness.AS_LEAST:
            return
        before = max(old.names if old else 0, lasting or 0)
        if self.emptiness is Emptiness.ZONE:
            if not new.version:
                raise GateRefused("empty", f"{nothing} and no SOA record, so it is not a whole zone")
            if old is not None and old.names and old.version and not is_older(old.version, new.version):
                raise GateRefused(
                    "empty",
                    f"{nothing}, and its serial {new.version} is not newer than {old.version}, the "
                    "one in force: a zone is emptied with a newer serial",
                )
            if self.max_shrink >= 1:
                return
        if before >= SIZE_FLOOR:
            keys = "max_shrink: 100%" if self.emptiness is Emptiness.ZONE else "min_names: 0 and max_shrink: 100%"
            raise GateRefused(
                "empty",
                f"{nothing}, where it had {before}: from {SIZE_FLOOR} on, it may become empty only "
                f"with {keys} in a gate of its own",
            )

    def _compare(self, new: FeedRecord, old: int, what: str) -> None:
        holds = f"it holds {new.names} {several_of(new.type)}, but {what}"
        if old >= SIZE_FLOOR and new.names < old * (1 - self.max_shrink):
            raise GateRefused(
                "shrunk",
                f"{holds}: a loss of more than {self.max_shrink:.0%} ({self._key('max_shrink')})",
            )
        if new.names > GROWTH_FLOOR and new.names > old * (1 + self.max_growth):
            raise GateRefused(
                "grown",
                f"{holds}: a gain of more than {self.max_growth:.0%} ({self._key('max_growth')})",
            )

    def _key(self, key: str) -> str:
        return f"gate.{key} of the feed" if key in self.own_keys else f"gate.{key}"


def _went_back(new: FeedRecord, old: FeedRecord) -> bool:
    """Return whether a policy zone is older than the one in force; equal content is not, whatever its serial."""
    both_zones = new.type in ZONE_TYPES and old.type in ZONE_TYPES
    return both_zones and new.digest != old.digest and is_older(new.version, old.version)
