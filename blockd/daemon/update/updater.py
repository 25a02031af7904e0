"""The feed updater: polls every feed at its interval, compiles what is new, and has enforced what passed the gate.

A refusal is logged and counted, and changes nothing that is in force.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence

from blockd.audit import AuditRecorder
from blockd.audit.refusals import Part
from blockd.compile.build import Built, fingerprint
from blockd.compile.news import News
from blockd.daemon.results import FeedOutcome, RefreshResult
from blockd.daemon.timing import Timing
from blockd.daemon.update.compile_child import Compiling, Job
from blockd.daemon.update.enforcement import Enforcement
from blockd.daemon.update.feed_set import FeedSet
from blockd.daemon.update.managed_feed import ManagedFeed
from blockd.daemon.update.retries import Retries
from blockd.errors import BlockdError, FeedRefused
from blockd.feeds.candidate import Candidate
from blockd.feeds.fetched import Fetched
from blockd.ruleset import Catalogue, Gate

ROUNDS = 2  # of compiling at once: the second, if the operator's own had to be read anew
GATHERING = 0.05  # seconds to wait for other feeds' news before compiling

log = logging.getLogger(__name__)


class Updater:
    """Keeps the ruleset as new as its feeds. While a version is pinned, new content waits in its feed's folder."""

    def __init__(
        self, feeds: FeedSet, compiling: Compiling, enforcement: Enforcement, recorder: AuditRecorder, timing: Timing
    ) -> None:
        self.feeds = feeds
        self._gate = compiling.gate
        self._compiled = compiling.path
        self._compiler = compiling.compiler
        self._enforcement = enforcement
        self._recorder = recorder
        self._timing = timing
        self._news = asyncio.Event()
        self._building = asyncio.Lock()
        self._fresh: set[str] = set()  # feeds whose news are being compiled
        self._retries = Retries(self._news, timing)  # of failures that were not caused by a feed

    @property
    def is_busy(self) -> bool:
        """Whether news are waiting or being compiled."""
        return self._news.is_set() or self._building.locked()

    def begin(self) -> None:
        """Have compiled what is not in force as it should be, from what was accepted before."""
        catalogue = self._catalogue()
        for record in catalogue.feeds if catalogue else ():
            if record.name in self.feeds and not self.feeds[record.name].state.sizes.known:
                self.feeds[record.name].state.sizes.note(record.names, self._timing.clock())
        candidates = [self.feeds.candidate(name, None) for name in self.feeds]
        is_old = catalogue is None or catalogue.made_from != fingerprint(candidates, self._gate)
        if self._enforcement.is_held:
            self._news.set()  # its overrides may not be those of now
        elif is_old and any(c.accepted for c in candidates):
            log.info("The config or the feeds are not those that the ruleset was made from: it is compiled again.")
            self._news.set()
        if catalogue is not None and not self.feeds.configured:
            log.warning("No feed is configured: the ruleset of an earlier config stays in force.")

    async def run(self) -> None:
        """Poll and compile until cancelled."""
        self.begin()
        if self.feeds:
            self._compiler.prepare()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._compile_news())
                for managed in self.feeds.values():
                    group.create_task(self._poll_forever(managed))
        finally:
            self._retries.close()
            await self._compiler.close()

    async def refresh(self, names: Sequence[str] | None) -> RefreshResult:
        """Poll feeds now, all of the config if `names` is None, and enforce what is new.

        Raises CommandError for a feed that is not configured.
        """
        self.feeds.must_have(names or ())
        chosen = (
            self.feeds.configured
            if names is None
            else {name: managed for name, managed in self.feeds.items() if name in names}
        )
        before = {name: managed.state.accepted_digest for name, managed in chosen.items()}
        await asyncio.gather(*(self._poll(managed) for managed in chosen.values()))
        await self._compile()
        found = {name: self._outcome(managed, before[name]) for name, managed in chosen.items()}
        return RefreshResult(found, self._enforcement.version)

    async def accept(self, name: str, waive: Callable[[ManagedFeed], None]) -> RefreshResult:
        """Have enforced what `waive` lets through of a feed's refused content; raises what it does, or CommandError."""
        self.feeds.must_have([name])
        managed = self.feeds[name]
        before = managed.state.accepted_digest
        async with self._building:
            waive(managed)
            self._news.set()
        await self._compile()
        if managed.state.incoming:
            self._news.set()  # fetched meanwhile, and judged after what was accepted
        return RefreshResult({name: self._outcome(managed, before)}, self._enforcement.version)

    @property
    def version(self) -> int | None:
        """The version in force."""
        return self._enforcement.version

    async def change_gate(self, gate: Gate) -> FeedOutcome:
        """Compile what was accepted with another gate, and have it enforced; a pinned version stays as it is."""
        self._gate = gate
        if self._enforcement.is_held:
            return FeedOutcome("waiting", f"version {self.version} is pinned, and stays as it is until it is released")
        self._news.set()
        await self._compile()
        catalogue = self._catalogue()
        if catalogue is None:
            return FeedOutcome("unchanged", "nothing is enforced yet")
        candidates = [self.feeds.candidate(name, None) for name in self.feeds]
        if catalogue.made_from == fingerprint(candidates, gate):
            return FeedOutcome("enforced")
        return FeedOutcome("refused", "a new ruleset could not be made, which is tried again; the log says why")

    async def catch_up(self) -> None:
        """Compile what has waited while a version was pinned, and have it enforced."""
        self._news.set()
        await self._compile()

    def _outcome(self, managed: ManagedFeed, before: str) -> FeedOutcome:
        """Return the outcome of polling a feed whose accepted content was `before`."""
        if managed.refusal:
            return FeedOutcome("refused", managed.refusal)
        if managed.state.waiting and self._enforcement.is_held:
            return FeedOutcome("waiting", "it is new, and waits until the pinned version is released")
        return FeedOutcome("unchanged" if managed.state.accepted_digest == before else "enforced")

    async def _poll_forever(self, managed: ManagedFeed) -> None:
        while True:
            await self._poll(managed)
            await managed.due(self._timing)

    async def _poll(self, managed: ManagedFeed) -> None:
        async with managed.looking:
            try:
                fetched = await managed.poll()
            except FeedRefused as refused:
                managed.look_refusal = managed.note_refusal(refused, self._catalogue(), self._recorder)
            except Exception:
                log.exception(
                    "Polling feed %s failed because of an internal error in blockd.", managed.source.feed.name
                )
                managed.look_refusal = "blockd had an internal error; its log has the details"
                managed.refused["fault"] += 1
            else:
                self._polled(managed, fetched)
            managed.looked = True

    def _polled(self, managed: ManagedFeed, fetched: Fetched | None) -> None:
        """Offer new content to the compiler, or note that the accepted content was found again."""
        state = managed.state
        managed.tell_parts(self._recorder)
        managed.look_refusal = ""
        if fetched is not None and fetched.digest != state.accepted_digest:
            state.offer(fetched)  # the content in force may be renewed by it: its expiry changes only with the content
            self._news.set()
            return
        if fetched is not None:
            self._recorder.confirmed(managed.source.feed.name, fetched)
            fetched.path.unlink(missing_ok=True)
            state.withdraw()
        if fetched is not None or managed.found_again():
            managed.content_refusal = ""
        is_newest = not state.incoming and not state.waiting
        if not state.incoming and managed.source.feed.name not in self._fresh and self._renew([managed]):
            managed.save()
        if state.accepted_digest and not managed.content_refusal and is_newest:
            managed.confirm(self._timing.clock())
            if self._recorder.good_again(Part(managed.source.feed.name)):
                log.info("Feed %s is accepted again; its content is in force.", managed.source.feed.name)

    async def _compile_news(self) -> None:
        while True:
            await self._news.wait()
            await self._timing.sleep(GATHERING)
            await self._compile()

    async def _compile(self) -> None:
        """Compile what is new, if anything is, and have it enforced."""
        async with self._building:
            for _ in range(ROUNDS):
                if self._news.is_set():
                    self._news.clear()
                    await self._compile_once()

    async def _compile_once(self) -> None:
        fresh: dict[str, Fetched] = {}
        try:
            self.feeds.must_know_own(self._catalogue())
            is_held = await self._amended_pinned()
            fresh |= {
                name: fetched
                for name, managed in self.feeds.items()
                if not (is_held and managed.source.feed.is_own) and (fetched := managed.state.take_candidate())
            }
            self._note_compiling(set(fresh))
            candidates = [self.feeds.candidate(name, fresh.get(name)) for name in self.feeds]
            if fresh or not (is_held or await self._is_kept(candidates)):
                built = await self._compiler.compile(self._job(candidates))
                await self._take(built, fresh)
            self._retries.succeeded()
        except (BlockdError, OSError) as error:
            log.error("A new ruleset could not be made: %s. %s", error, self._in_force())
            for name, fetched in fresh.items():
                self.feeds[name].failed(fetched, str(error))
            self._retries.failed()
        finally:
            self._note_compiling(set())
            self._renew([self.feeds[name] for name in fresh])
            for name, fetched in fresh.items():
                if self.feeds[name].state.accepted_digest != fetched.digest:  # otherwise it is saved already
                    self.feeds[name].save()
            self._compiled.unlink(missing_ok=True)

    async def _amended_pinned(self) -> bool:
        """Have the overrides of now enforced on top of the pinned version, for they never wait; false if none is."""
        own = self.feeds.own
        if own is None or not self._enforcement.is_held:
            return self._enforcement.is_held
        fetched = own.state.take_candidate()
        try:
            is_held = await self._enforcement.amend(fetched)
        except FeedRefused:  # what was accepted cannot be read
            await self._fetch_anew(own)
            return True
        except (BlockdError, OSError) as error:
            own.failed(fetched, str(error))
            raise
        if fetched is not None and is_held:
            own.accept(fetched, self._timing.clock())
        elif fetched is not None:
            own.state.put_back(fetched)  # it was released meanwhile
        return is_held

    def _in_force(self) -> str:
        """Say what is in force, since something could not be changed."""
        version = self._enforcement.version
        return "No ruleset is in force yet." if version is None else f"Version {version} stays in force."

    async def _is_kept(self, candidates: Sequence[Candidate]) -> bool:
        """Return whether the content accepted before is in force, or was just put in force again."""
        content = fingerprint(candidates, self._gate)
        catalogue = self._catalogue()
        return (catalogue is not None and catalogue.made_from == content) or await self._enforcement.recall(content)

    def _note_compiling(self, names: set[str]) -> None:
        self._fresh = names
        for name, managed in self.feeds.items():
            managed.is_compiling = name in names

    def _catalogue(self) -> Catalogue | None:
        ruleset = self._enforcement.ruleset
        return ruleset.catalogue if ruleset else None

    def _job(self, candidates: Sequence[Candidate]) -> Job:
        ruleset = self._enforcement.ruleset
        in_force = ruleset.path if ruleset else None
        return Job(candidates, self._compiled, self._gate, in_force, self.feeds.rejects(), self.feeds.held())

    async def _take(self, built: Built, fresh: dict[str, Fetched]) -> None:
        for name, refused in built.refused.items():
            managed = self.feeds[name]
            managed.content_refusal = managed.note_refusal(refused, self._catalogue(), self._recorder)
            if name in fresh:
                managed.put_aside(fresh[name], refused, built.found.get(name))
        if built.header is None:  # nothing is lost by it: it is compiled with what comes next
            for name, fetched in fresh.items():
                if name not in built.refused:
                    self.feeds[name].state.put_back(fetched)
            for name in built.lost:
                await self._fetch_anew(self.feeds[name])
            return
        catalogue = self._catalogue()
        taken = {name: fetched for name, fetched in fresh.items() if name in built.taken}
        for name, report in built.held.items():
            if name not in taken:  # its content is the same: only the guard can have changed
                self.feeds[name].keep_held(report)
        self._renew([self.feeds[name] for name in taken])  # new content is never enforced as expired
        if catalogue is None or catalogue.made_from != built.made_from:
            reports = self.feeds.reports_with(built)
            news = News(self._compiled, built.made_from, taken, *reports, built.news, built.changes)
            if not await self._enforcement.enforce(news):
                self._hold(taken)
                return
        catalogue = self._catalogue()
        names = {record.name: record.names for record in catalogue.feeds} if catalogue else {}
        for name, fetched in taken.items():
            rejects, held = built.rejects.get(name), built.held.get(name)
            self.feeds[name].tell_held(held)
            self.feeds[name].state.accept(fetched, rejects, self._timing.clock(), held=held, names=names.get(name))
            self.feeds[name].content_refusal = ""
            for sentence in built.rejects[name].warnings if name in built.rejects else ():
                log.warning("Feed %s is accepted: %s", name, sentence)

    def _renew(self, feeds: Sequence[ManagedFeed]) -> bool:
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
                self._news.set()
            else:
                self.feeds[name].hold(fetched)

    async def _fetch_anew(self, managed: ManagedFeed) -> None:
        """Forget a feed's content, since it can no longer be read; its names stay in force until then.

        The operator's own is read at once: it is on this machine.
        """
        feed = managed.source.feed
        log.error("The content of feed %s cannot be read. It is fetched again. %s", feed.name, self._in_force())
        managed.forget_accepted()
        if feed.is_own:
            await self._poll(managed)
            self._news.set()
