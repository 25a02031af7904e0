"""The gate: checks that a compiled ruleset passes before it is enforced. A refusal leaves the old one in force."""

from __future__ import annotations

from dataclasses import dataclass

from blockd.errors import FeedRefused
from blockd.ruleset.catalogue import FeedRecord
from blockd.ruleset.serial import is_older
from blockd.ruleset.tiers import ZONE_TYPES


@dataclass(frozen=True, slots=True)
class Gate:
    """What a feed's new content must fulfil; shares are from 0 to 1."""

    max_shrink: float = 0.20
    min_names: int = 1
    max_rejects: float = 0.20

    def check(self, new: FeedRecord, old: FeedRecord | None) -> None:
        """Raise FeedRefused where `new` must not replace `old`, what the version in force holds of the same feed."""
        if new.names < self.min_names:
            raise FeedRefused(
                "empty", f"it holds {new.names} names, and at least {self.min_names} are asked (gate.min_names)"
            )
        lines = new.names + new.rejected
        if new.rejected > self.max_rejects * lines:
            raise FeedRefused(
                "rejects",
                f"{new.rejected} of {lines} lines are no names, more than {self.max_rejects:.0%} (gate.max_rejects)",
            )
        if old is not None and _went_back(new, old):
            raise FeedRefused(
                "rollback",
                f"its serial is {new.version}, which is older than {old.version}, the one in force (RFC 1982). Where "
                "the zone really begins anew, give it a serial that is newer, or the feed another name",
            )
        if old is not None and new.names < old.names * (1 - self.max_shrink):
            raise FeedRefused(
                "shrunk",
                f"it holds {new.names} names where {old.names} are in force: "
                f"a loss of more than {self.max_shrink:.0%} (gate.max_shrink)",
            )


def _went_back(new: FeedRecord, old: FeedRecord) -> bool:
    """Tell whether a policy zone is an older one than that in force; the same content is not, whatever it is called."""
    both_zones = new.type in ZONE_TYPES and old.type in ZONE_TYPES
    return both_zones and new.digest != old.digest and is_older(new.version, old.version)
