"""One feed while the daemon runs: how it is looked at, what it gave, and why it is refused."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from blockd.daemon.feed_state import FeedState
from blockd.feeds.watch import Watch
from blockd.ruleset.held import HeldReport
from blockd.settings import OverridesFeed, TextFeed

SAVED_AGE = 0.05  # share of `max_age` after which a good look is saved, so that a restart knows of it

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Tracked:
    """One feed while the daemon runs."""

    watch: Watch
    state: FeedState
    refused: Counter[str] = field(default_factory=Counter)
    look_refusal: str = ""  # the sentence with which the last look was refused; empty where it went well
    content_refusal: str = ""  # the same for the content that was compiled last
    saved: float = 0.0  # when the time of the last look was saved, where the feed's end depends on it
    held: str = ""  # the digest of what was told last to wait
    looked: bool = False  # once at least, since the start
    looking: asyncio.Lock = field(default_factory=asyncio.Lock)
    news_hinted: asyncio.Event = field(default_factory=asyncio.Event)  # set by a NOTIFY

    @property
    def refusal(self) -> str:
        """Why the feed is refused at this moment; empty where it is not."""
        return self.look_refusal or self.content_refusal

    def save(self) -> None:
        """Write the state; where that fails it is told, and the feed goes on."""
        try:
            self.state.save()
        except OSError as error:
            log.error("The state of feed %s cannot be written: %s.", self.watch.feed.name, error)

    def confirm(self, now: float) -> None:
        """Note that what was accepted is still what the feed gives."""
        self.state.checked = now
        max_age = self.watch.feed.max_age if isinstance(self.watch.feed, TextFeed) else None
        if max_age and not self.saved <= now < self.saved + max_age * SAVED_AGE:
            self.save()
            self.saved = now

    def keep_held(self, report: HeldReport) -> None:
        """Take a new report of held entries for the content that was accepted before."""
        if report != self.state.held:
            self.tell_held(report)
            self.state.held = report
            self.save()

    def tell_held(self, report: HeldReport | None) -> None:
        """Log what is held back, once."""
        if report is not None and report.total:
            log.warning("Feed %s: %s.", self.watch.feed.name, report.sentence())


def configured(feeds: Mapping[str, Tracked]) -> dict[str, Tracked]:
    """Give the feeds of the config, without blockd's own."""
    return {name: tracked for name, tracked in feeds.items() if not isinstance(tracked.watch.feed, OverridesFeed)}
