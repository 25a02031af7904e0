"""Takes what came of a compile: has it enforced, and then accepts, keeps or refuses each feed's new content."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from blockd.audit import AuditRecorder
from blockd.compile.build import Built
from blockd.compile.news import News
from blockd.daemon.timing import Timing
from blockd.daemon.update.compile_child import Compiling
from blockd.daemon.update.enforcement import Enforcement
from blockd.daemon.update.feed_set import FeedSet
from blockd.daemon.update.lone_reading import LoneReading, Outcomes
from blockd.daemon.update.managed_feed import ManagedFeed
from blockd.daemon.update.retries import Retries
from blockd.errors import FeedRefused
from blockd.feeds.fetched import Fetched
from blockd.ruleset import Catalogue

log = logging.getLogger(__name__)


class ContentTaker:
    """Takes new contents; `news` is set if there is more to be made, and `fetch_anew` gets feeds that were lost."""

    def __init__(
        self,
        feeds: FeedSet,
        compiling: Compiling,
        enforcement: Enforcement,
        recorder: AuditRecorder,
        timing: Timing,
        news: asyncio.Event,
        fetch_anew: Callable[[ManagedFeed], Awaitable[None]],
    ) -> None:
        self.feeds = feeds
        self.news = news
        self.retries = Retries(news, timing)  # of failures that were not caused by a feed
        self.alone = LoneReading(feeds, compiling.compiler, Outcomes(news.set, self._refuse, self._fail))
        self._room = compiling.room
        self._enforcement = enforcement
        self._recorder = recorder
        self._timing = timing
        self.fetch_anew = fetch_anew

    async def close(self) -> None:
        """End what is in progress."""
        self.retries.close()
        await self.alone.close()

    def catalogue(self) -> Catalogue | None:
        """Return the catalogue of the ruleset in force; None if there is none."""
        ruleset = self._enforcement.ruleset
        return ruleset.catalogue if ruleset else None

    def in_force(self) -> str:
        """Say what is in force, since something could not be changed."""
        version = self._enforcement.version
        return "No ruleset is in force yet." if version is None else f"Version {version} stays in force."

    async def take(self, built: Built, fresh: dict[str, Fetched], path: Path) -> None:
        """Have the file at `path` enforced, and take what was new for it; raises RulesetError and OSError."""
        for name, refused in built.refused.items():
            managed = self.feeds[name]
            managed.content_refusal = managed.note_refusal(refused, self.catalogue(), self._recorder)
            if name in fresh:
                keeps = self._room is None or self._room.keeps_history
                managed.put_aside(fresh[name], refused, built.found.get(name) if keeps else None)
        for name, spent in built.spent.items():
            self.feeds[name].note_spent(spent)
        for name in built.slow & fresh.keys():
            self.alone.begin(name, fresh[name])
        if built.header is None:  # nothing is lost by it: it is compiled with what comes next
            self.feeds.put_back(fresh, but=built.refused.keys() | built.slow)
            for name in built.lost:
                await self.fetch_anew(self.feeds[name])
            return
        catalogue = self.catalogue()
        taken = {name: fetched for name, fetched in fresh.items() if name in built.taken}
        for name, report in built.held.items():
            if name not in taken:  # its content is the same: only the guard can have changed
                self.feeds[name].keep_held(report)
        self.renew([self.feeds[name] for name in taken])  # new content is never enforced as expired
        if catalogue is None or catalogue.made_from != built.made_from:
            reports = self.feeds.reports_with(built)
            news = News(path, built.made_from, taken, *reports, built.news, built.changes)
            if not await self._enforcement.enforce(news):
                self._hold(taken)
                return
        catalogue = self.catalogue()
        names = {record.name: record.names for record in catalogue.feeds} if catalogue else {}
        for name, fetched in taken.items():
            rejects, held = built.rejects.get(name), built.held.get(name)
            self.feeds[name].tell_held(held)
            self.feeds[name].state.accept(fetched, rejects, self._timing.clock(), held=held, names=names.get(name))
            self.feeds[name].content_refusal = ""
            for sentence in built.rejects[name].warnings if name in built.rejects else ():
                log.warning("Feed %s is accepted: %s", name, sentence)

    def renew(self, feeds: Sequence[ManagedFeed]) -> bool:
        """Take over the expiry of feeds as seen last; return whether any has changed. The caller saves them."""
        renewed = [managed for managed in feeds if managed.renew()]
        if renewed:
            self._enforcement.dates_changed()
        return bool(renewed)

    def _hold(self, taken: dict[str, Fetched]) -> None:
        """Keep new content that passed the gate until it may be enforced; the operator's own need not wait."""
        for name, fetched in taken.items():
            if self.feeds[name].source.feed.is_own:  # the version was pinned meanwhile
                self.feeds[name].state.put_back(fetched)
                self.news.set()
            else:
                self.feeds[name].hold(fetched)

    def settle(self, fresh: dict[str, Fetched]) -> None:
        """Take over what belongs to the newest content of feeds, and save those that have not been."""
        self.renew([self.feeds[name] for name in fresh])
        for name, fetched in fresh.items():
            if self.feeds[name].state.accepted_digest != fetched.digest:  # otherwise it is saved already
                self.feeds[name].save()

    def note_failure(self, error: Exception, fresh: dict[str, Fetched]) -> None:
        """Log that no ruleset could be made, by no fault of a feed; it is tried again."""
        log.error("A new ruleset could not be made: %s. %s", error, self.in_force())
        for name, fetched in fresh.items():
            self.feeds[name].failed(fetched, str(error))
        self.retries.failed()

    def _refuse(self, managed: ManagedFeed, fetched: Fetched, refused: FeedRefused) -> None:
        """Refuse a content that was read by itself."""
        managed.content_refusal = managed.note_refusal(refused, self.catalogue(), self._recorder)
        managed.put_aside(fetched, refused, None)

    def _fail(self, managed: ManagedFeed, fetched: Fetched, why: str) -> None:
        """Offer a content again that could not be read by our fault."""
        log.error("The new content of feed %s could not be read: %s. It is tried again.", managed.source.feed.name, why)
        managed.failed(fetched, why)
        self.retries.failed()
