"""The gate: checks that a compiled ruleset passes before it is enforced. A refusal leaves the old one in force."""

from __future__ import annotations

from dataclasses import dataclass

from blockd.errors import FeedRefused
from blockd.ruleset.catalogue import FeedRecord


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
        if old is not None and new.names < old.names * (1 - self.max_shrink):
            raise FeedRefused(
                "shrunk",
                f"it holds {new.names} names where {old.names} are in force: "
                f"a loss of more than {self.max_shrink:.0%} (gate.max_shrink)",
            )
