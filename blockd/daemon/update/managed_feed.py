"""One feed while the daemon runs: how it is looked at, what it gave, and why it is refused."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from blockd.daemon.timing import Timing
from blockd.daemon.update.feed_state import FeedState
from blockd.feeds.fetched import Validators
from blockd.feeds.source import FeedSource
from blockd.ruleset.gate.guard_report import GuardReport
from blockd.settings import Feed

SAVED_AGE = 0.05  # share of `max_age` after which a good look is saved, so that a restart knows of it
JITTER = 0.1  # share of an interval by which looks are spread, so that nodes do not ask in step
HINTS = 1.0  # seconds between two looks that hints ask for, so that nobody can make us ask without end

log = logging.getLogger(__name__)


OpenSource = Callable[[Feed, Path, Validators], FeedSource]
"""Opens a feed's source, with a folder of its own and what is known of the content that was accepted last."""


@dataclass(slots=True)
class ManagedFeed:
    """One feed while the daemon runs; `open_source` opens its source anew."""

    source: FeedSource
    state: FeedState
    open_source: OpenSource
    authority_refusals: dict[str, str] = field(default_factory=dict)  # by role, the sentences told
    refused: Counter[str] = field(default_factory=Counter)
    look_refusal: str = ""  # the sentence with which the last look was refused; empty if it went well
    content_refusal: str = ""  # the same for the content that was compiled last
    saved: float = 0.0  # when the time of the last look was saved, where the feed's end depends on it
    held: str = ""  # the digest of what was told last to wait
    looked: bool = False  # once at least, since the start
    looking: asyncio.Lock = field(default_factory=asyncio.Lock)
    news_hinted: asyncio.Event = field(default_factory=asyncio.Event)  # set by a hint

    @property
    def refusal(self) -> str:
        """Why the feed is refused at this moment; empty if it is not."""
        return self.look_refusal or self.content_refusal

    async def due(self, timing: Timing) -> None:
        """Wait until the next look: for the feed's interval, or less if there is a hint meanwhile."""
        seconds = self.source.interval * timing.uniform(1 - JITTER, 1 + JITTER)
        quiet = min(HINTS, seconds)
        await timing.sleep(quiet)
        if seconds > quiet:
            await timing.wait(self.news_hinted, seconds - quiet)
        self.news_hinted.clear()

    def forget_accepted(self) -> None:
        """Forget what the feed gave, so that it is fetched anew."""
        self.state.accepted_digest = ""
        self.state.validators = Validators()
        self.source = self.open_source(self.source.feed, self.state.folder, Validators())

    def save(self) -> None:
        """Write the state; where that fails it is told, and the feed goes on."""
        try:
            self.state.save()
        except OSError as error:
            log.error("The state of feed %s cannot be written: %s.", self.source.feed.name, error)

    def renew(self) -> bool:
        """Take over when the feed and its authorities end, as was seen last; whether that is something else.

        The caller saves it.
        """
        source, state = self.source, self.state
        if source.expires is None or (source.expires, source.authorities) == (state.expires, state.authorities):
            return False
        state.expires, state.authorities = source.expires, source.authorities
        return True

    def tell_authorities(self) -> None:
        """Count and log each refusal of an authority that is new, and each that is over; the feed goes on."""
        refused = {part.role: part for part in self.source.authorities if part.refusal}
        for role in self.authority_refusals.keys() - refused.keys():
            log.info("Authority %s of feed %s is good again.", role, self.source.feed.name)
        for role, part in refused.items():
            if self.authority_refusals.get(role) != part.refusal:
                self.refused[part.reason or "fault"] += 1
                log.error(
                    "What authority %s of feed %s gives is refused (%s): %s (what it gave before stays in force)",
                    role, self.source.feed.name, part.reason, part.refusal,
                )  # fmt: skip
        self.authority_refusals = {role: part.refusal for role, part in refused.items()}

    def forget_waiting(self) -> None:
        """Remove what has waited behind a pin; it is fetched anew."""
        try:
            self.state.drop_waiting()
        except OSError as error:
            log.error("What waited of feed %s cannot be removed: %s.", self.source.feed.name, error)

    def confirm(self, now: float) -> None:
        """Note that what was accepted is still what the feed gives."""
        self.state.checked = now
        max_age = self.source.feed.max_silence
        if max_age and not self.saved <= now < self.saved + max_age * SAVED_AGE:
            self.save()
            self.saved = now

    def keep_held(self, report: GuardReport) -> None:
        """Take a new report of held entries for the content that was accepted before."""
        if report != self.state.held:
            self.tell_held(report)
            self.state.held = report
            self.save()

    def tell_held(self, report: GuardReport | None) -> None:
        """Log what is held back, once."""
        if report is not None and report.total:
            log.warning("Feed %s: %s.", self.source.feed.name, report.sentence())
