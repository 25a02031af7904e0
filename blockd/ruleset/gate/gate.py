"""The gate: checks that a compiled ruleset passes before it is enforced. A refusal leaves the old one in force."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from blockd.dns.serial import is_older
from blockd.errors import FeedRefused
from blockd.ruleset.catalogue import FeedRecord
from blockd.ruleset.gate.guard import Guard
from blockd.settings import ZONE_TYPES

GROWTH_FLOOR = 10_000  # names; up to so many a list may come from any size: it has only just begun


@dataclass(frozen=True, slots=True)
class Gate:
    """What a feed's new content must fulfil; shares are from 0 to 1, `max_growth` may be more.

    `guard` decides what is held back of content that passes.
    """

    max_shrink: float = 0.20
    min_names: int = 1
    max_rejects: float = 0.20
    max_growth: float = 1.0
    guard: Guard = field(default_factory=Guard)

    @property
    def limits(self) -> tuple[float, float]:
        """The limits on changes of size."""
        return self.max_shrink, self.max_growth

    def releasing(self, keys: Iterable[bytes]) -> Gate:
        """Return the gate that lets through the entries with these keys."""
        return replace(self, guard=self.guard.releasing(keys))

    def check(self, new: FeedRecord, old: FeedRecord | None, lasting: int | None = None) -> None:
        """Raise FeedRefused if `new` must not replace `old`, the record of the same feed in the version in force.

        `lasting` is the size that the feed had for longest in the last days, see `blockd.ruleset.gate.sizes`.
        """
        if new.names < self.min_names:
            raise FeedRefused(
                "empty", f"it holds {new.names} names; at least {self.min_names} are required (gate.min_names)"
            )
        lines = new.names + new.rejected
        if new.rejected > self.max_rejects * lines:
            raise FeedRefused(
                "rejects",
                f"{new.rejected} of {lines} lines are not valid names, more than {self.max_rejects:.0%} "
                "(gate.max_rejects)",
            )
        if old is not None and _went_back(new, old):
            raise FeedRefused(
                "rollback",
                f"its serial is {new.version}, which is older than {old.version}, the one in force (RFC 1982). If the "
                "zone was really started anew, give it a newer serial, or the feed another name",
            )
        if old is not None:
            self._compare(new.names, old.names, f"{old.names} are in force")
        if lasting is not None:
            self._compare(new.names, lasting, f"it had {lasting} for most of the last days")

    def _compare(self, new: int, old: int, what: str) -> None:
        if new < old * (1 - self.max_shrink):
            raise FeedRefused(
                "shrunk",
                f"it holds {new} names, but {what}: a loss of more than {self.max_shrink:.0%} (gate.max_shrink)",
            )
        if new > GROWTH_FLOOR and new > old * (1 + self.max_growth):
            raise FeedRefused(
                "grown",
                f"it holds {new} names, but {what}: a gain of more than {self.max_growth:.0%} (gate.max_growth)",
            )


def _went_back(new: FeedRecord, old: FeedRecord) -> bool:
    """Return whether a policy zone is older than the one in force; equal content is not, whatever its serial."""
    both_zones = new.type in ZONE_TYPES and old.type in ZONE_TYPES
    return both_zones and new.digest != old.digest and is_older(new.version, old.version)
