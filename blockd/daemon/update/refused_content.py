"""The content that the gate refused last of a feed, which is kept for an operator to accept."""

from __future__ import annotations

from dataclasses import dataclass

from blockd.feeds.fetched import Fetched


@dataclass(frozen=True, slots=True)
class RefusedContent:
    """One content of a feed, in its folder as `refused`, with what the gate said; a feed has at most one."""

    fetched: Fetched
    reason: str  # of `blockd.feeds.reasons.REASONS`
    sentence: str
    names: int  # that the feed would have

    def to_json(self) -> dict[str, object]:
        """Return it as JSON values."""
        return {
            "digest": self.fetched.digest,
            "reason": self.reason,
            "sentence": self.sentence,
            "names": self.names,
        }
