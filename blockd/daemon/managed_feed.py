"""One feed while the daemon runs: how it is looked at, what it gave, and why it is refused."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from blockd.daemon.feed_state import FeedState
from blockd.daemon.timing import Timing
from blockd.feeds.bundle import AuthorityVersion
from blockd.feeds.fetched import Fetched, Validators
from blockd.ruleset.held import HeldReport
from blockd.settings import AnyFeed, TextFeed

SAVED_AGE = 0.05  # share of `max_age` after which a good look is saved, so that a restart knows of it
JITTER = 0.1  # share of an interval by which looks are spread, so that nodes do not ask in step
HINTS = 1.0  # seconds between two looks that hints ask for, so that nobody can make us ask without end

log = logging.getLogger(__name__)


class Source(Protocol):
    """What a feed comes from, as `blockd.feeds.watch.Watch` describes it."""

    @property
    def feed(self) -> AnyFeed:
        """The feed's config."""

    @property
    def expires(self) -> int | None:
        """When what was seen last ends by its own word."""

    @property
    def authorities(self) -> tuple[AuthorityVersion, ...]:
        """What the authorities of a signed feed have given."""

    @property
    def mirrors(self) -> Sequence[dict[str, object]]:
        """The places of a signed feed that has several, as plain values."""

    @property
    def interval(self) -> float:
        """Seconds until the next look."""

    async def look(self) -> Fetched | None:
        """Return new content, or None if there is none; raises FeedRefused."""


OpenSource = Callable[[AnyFeed, Path, Validators], Source]
"""Opens a feed's source, with a folder of its own and what is known of the content that was accepted last."""


@dataclass(slots=True)
class ManagedFeed:
    """One feed while the daemon runs; `open_source` opens its source anew."""

    watch: Source
    state: FeedState
    open_source: OpenSource
    authority_refusals: dict[str, str] = field(default_factory=dict)  # by role, the sentences told
    refused: Counter[str] = field(default_factory=Counter)
    look_refusal: str = ""  # the sentence with which the last look was refused; empty where it went well
    content_refusal: str = ""  # the same for the content that was compiled last
    saved: float = 0.0  # when the time of the last look was saved, where the feed's end depends on it
    held: str = ""  # the digest of what was told last to wait
    looked: bool = False  # once at least, since the start
    looking: asyncio.Lock = field(default_factory=asyncio.Lock)
    news_hinted: asyncio.Event = field(default_factory=asyncio.Event)  # set by a hint

    @property
    def refusal(self) -> str:
        """Why the feed is refused at this moment; empty where it is not."""
        return self.look_refusal or self.content_refusal

    async def due(self, timing: Timing) -> None:
        """Wait until the next look: for the feed's interval, or less if there is a hint meanwhile."""
        seconds = self.watch.interval * timing.uniform(1 - JITTER, 1 + JITTER)
        quiet = min(HINTS, seconds)
        await timing.sleep(quiet)
        if seconds > quiet:
            await timing.wait(self.news_hinted, seconds - quiet)
        self.news_hinted.clear()

    def forget_accepted(self) -> None:
        """Forget what the feed gave, so that it is fetched anew."""
        self.state.accepted_digest = ""
        self.state.validators = Validators()
        self.watch = self.open_source(self.watch.feed, self.state.folder, Validators())

    def save(self) -> None:
        """Write the state; where that fails it is told, and the feed goes on."""
        try:
            self.state.save()
        except OSError as error:
            log.error("The state of feed %s cannot be written: %s.", self.watch.feed.name, error)

    def renew(self) -> bool:
        """Take over when the feed and its authorities end, as was seen last; whether that is something else.

        The caller saves it.
        """
        watch, state = self.watch, self.state
        if watch.expires is None or (watch.expires, watch.authorities) == (state.expires, state.authorities):
            return False
        state.expires, state.authorities = watch.expires, watch.authorities
        return True

    def tell_authorities(self) -> None:
        """Count and log each refusal of an authority that is new, and each that is over; the feed goes on."""
        refused = {part.role: part for part in self.watch.authorities if part.refusal}
        for role in self.authority_refusals.keys() - refused.keys():
            log.info("Authority %s of feed %s is good again.", role, self.watch.feed.name)
        for role, part in refused.items():
            if self.authority_refusals.get(role) != part.refusal:
                self.refused[part.reason or "fault"] += 1
                log.error(
                    "What authority %s of feed %s gives is refused (%s): %s (what it gave before stays in force)",
                    role, self.watch.feed.name, part.reason, part.refusal,
                )  # fmt: skip
        self.authority_refusals = {role: part.refusal for role, part in refused.items()}

    def forget_waiting(self) -> None:
        """Remove what has waited behind a pin; it is fetched anew."""
        try:
            self.state.drop_waiting()
        except OSError as error:
            log.error("What waited of feed %s cannot be removed: %s.", self.watch.feed.name, error)

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
