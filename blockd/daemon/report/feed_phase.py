"""How far a feed is, in one word and in words: start-up, status and log read it here."""

from __future__ import annotations

from enum import StrEnum

from blockd.daemon.update.managed_feed import ManagedFeed
from blockd.ruleset.catalogue import FeedRecord
from blockd.ruleset.counts import of_feed


class FeedPhase(StrEnum):
    """How far a feed is; a feed that is enforced may have new content that is refused."""

    ENFORCED = "enforced"
    READING = "reading"
    COMPILING = "compiling"
    WAITING = "waiting"
    REFUSED = "refused"
    EMPTY = "empty"

    @classmethod
    def of(cls, managed: ManagedFeed, record: FeedRecord | None, *, is_pinned: bool) -> FeedPhase:
        """Return the phase of a feed; `record` is what the ruleset in force has of it, None for nothing.

        `is_pinned` is whether an operator has pinned the version in force: what that lacks waits.
        """
        if record is not None:
            return cls.ENFORCED
        if managed.is_compiling or managed.state.incoming is not None:
            return cls.COMPILING
        if managed.refusal:
            return cls.REFUSED
        if managed.state.waiting is not None or (is_pinned and managed.state.accepted_digest):
            return cls.WAITING
        if not managed.looked:
            return cls.READING
        return cls.COMPILING if managed.state.accepted_digest else cls.EMPTY

    @property
    def words(self) -> str:
        """What it says to people of a feed that has nothing in force."""
        return _WORDS[self]


_WORDS = {
    FeedPhase.ENFORCED: "enforced",
    FeedPhase.READING: "is being read; nothing of it is enforced yet",
    FeedPhase.COMPILING: "has been read and is being compiled; nothing of it is enforced yet",
    FeedPhase.WAITING: "has content that the pinned version lacks; nothing of it is enforced until that is released",
    FeedPhase.REFUSED: "is REFUSED; nothing of it is enforced",
    FeedPhase.EMPTY: "has no content yet; nothing of it is enforced",
}
NO_FEEDS = "No feed is configured (feeds: []): nothing is blocked."
NO_FEEDS_BUT_A_RULESET = "No feed is configured (feeds: []); the ruleset of an earlier config stays in force."


def feed_line(managed: ManagedFeed, record: FeedRecord | None, *, is_pinned: bool) -> str:
    """Return the line of a feed in the start-up's table: what is enforced of it, or why nothing is."""
    feed = managed.source.feed
    phase = FeedPhase.of(managed, record, is_pinned=is_pinned)
    if record is None:
        refusal = f": {managed.refusal}" if phase == FeedPhase.REFUSED else ""
        return f"feed {feed.name} ({feed.type}) {phase.words}{refusal}"
    version = f", version {record.version}" if record.version else ""
    line = f"feed {feed.name} ({feed.type}{version}): {of_feed(record.names, record.type)}, {record.digest[:12]}"
    return f"{line}; its new content is REFUSED: {managed.refusal}" if managed.refusal else line
