"""Takes what came of a compile: has it enforced, and then accepts, keeps or refuses each feed's new content."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from blockd.audit import AuditRecorder
from blockd.compile.built import Built
from blockd.compile.news import News
from blockd.daemon.timing import Timing
from blockd.daemon.update.compile_child import Compiling, Job
from blockd.daemon.update.enforcement import Enforcement
from blockd.daemon.update.feed_set import FeedSet
from blockd.daemon.update.known_refusals import KnownRefusal
from blockd.daemon.update.lone_reading import LoneReading, Outcomes
from blockd.daemon.update.managed_feed import ManagedFeed
from blockd.daemon.update.retries import Retries
from blockd.errors import FeedRefused
from blockd.feeds.candidate import Candidate
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
        self.alone = LoneReading(feeds, compiling.compiler, self.job, Outcomes(news.set, self._refuse), timing)
        self._compiling = compiling
        self._room = compiling.room
        self._enforcement = enforcement
        self._recorder = recorder
        self._timing = timing
        self.fetch_anew = fetch_anew

    async def close(self) -> None:
        """End what is in progress."""
        self.retries.close()
        await self.alone.close()

    def job(self, candidates: Sequence[Candidate]) -> Job:
        """Return a job that compiles, by the gate of now, beside the ruleset in force."""
        ruleset, gate = self._enforcement.ruleset, self._compiling.gate.now
        for candidate in candidates:
            if candidate.incoming:
                managed = self.feeds[candidate.feed.name]
                managed.basis = managed.basis_now(gate, self.catalogue(), self._timing.clock())
        in_force = ruleset.path if ruleset else None
        return Job(candidates, self._compiling.path, gate, in_force, self.feeds.rejects(), self.feeds.held())

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
        for name, spent in built.spent.items():
            self.feeds[name].note_spent(spent, is_refused=name in built.refused)
        for name, refused in built.refused.items():
            self._refuse(self.feeds[name], fresh.get(name), refused, built)
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
            managed = self.feeds[name]
            managed.tell_held(held)
            managed.content_refusal = ""
            with managed.own_trouble():
                managed.state.accept(fetched, rejects, self._timing.clock(), held=held, names=names.get(name))
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
                self.feeds[name].put_back(fetched)
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

    def refuse_again(self, managed: ManagedFeed, fetched: Fetched, known: KnownRefusal) -> None:
        """Refuse content that was fetched once more, and is known to be refused, without reading it."""
        self.alone.drop(managed.source.feed.name)
        managed.state.drop_offered()  # it is no longer the newest
        if managed.content_refusal != str(known.refused):
            managed.content_refusal = managed.note_refusal(known.refused, self.catalogue(), self._recorder)
        managed.basis = known.basis
        managed.put_aside(fetched, known.refused, known.names, keeps=self._keeps_refused())

    def _refuse(self, managed: ManagedFeed, fetched: Fetched | None, refused: FeedRefused, built: Built) -> None:
        """Refuse a content; `fetched` is None if it was accepted before."""
        if fetched is not None and managed.has_lost(fetched):
            managed.state.drop(fetched)
            return
        managed.content_refusal = managed.note_refusal(refused, self.catalogue(), self._recorder)
        if fetched is not None:
            found = built.found.get(managed.source.feed.name)
            managed.put_aside(fetched, refused, found.record.names if found else None, keeps=self._keeps_refused())

    def _keeps_refused(self) -> bool:
        return self._room is None or self._room.keeps_history
