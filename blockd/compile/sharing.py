"""Sharing out the time that new contents are read beside each other, so that no number of them takes more of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from blockd.compile.spending import Watch
from blockd.feeds.budget import Budget, Spent
from blockd.feeds.candidate import Candidate


class SharedTime:
    """The `seconds` of the processor that the news of some feeds share from now on; None for no limit.

    Each may take an equal part of what those before it have left, and never more than its own patience. News that have
    been read by themselves have no patience, and no share. `watch` knows what was spent.
    """

    def __init__(self, watch: Watch, seconds: float | None, candidates: Sequence[Candidate]) -> None:
        self._watch = watch
        self._seconds = seconds
        self._waiting = {c.feed.name for c in candidates if c.incoming and c.budget and c.budget.patience is not None}
        self._before = watch.spent()
        self._given: dict[str, Budget] = {}

    def of(self, feed: str, budget: Budget | None) -> Budget | None:
        """Return what a feed may take in all if its news are read from now on, what it took before included."""
        if budget is None:
            return None
        spent = self._watch.spent()
        own, before = (found.get(feed, Spent()).seconds for found in (spent, self._before))
        if budget.patience is None or self._seconds is None:
            given = replace(budget, seconds=budget.seconds + before, patience=None)
        else:
            used = sum(one.seconds for one in spent.values()) - sum(one.seconds for one in self._before.values())
            share = max(0.0, self._seconds - used) / max(1, len(self._waiting))
            given = replace(budget, patience=min(budget.patience + before, own + share))
        self._given[feed] = given
        return given

    def done(self, feed: str) -> None:
        """Note that the news of a feed have been read; what it has left is for the others."""
        self._waiting.discard(feed)

    def was_short(self, feed: str) -> bool:
        """Return whether a feed that has exceeded its time might have had more of it, read by itself."""
        given = self._given.get(feed)
        return given is not None and given.limit < given.seconds
