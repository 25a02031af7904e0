"""The feed updater: polls every feed at its interval, compiles what is new, and has enforced what passed the gate.

A refusal is logged and counted, and changes nothing that is in force.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence

from blockd.audit import AuditRecorder
from blockd.audit.refusals import Part
from blockd.compile.build import fingerprint
from blockd.daemon.results import FeedOutcome, RefreshResult
from blockd.daemon.timing import Timing
from blockd.daemon.update.compile_child import Compiling
from blockd.daemon.update.content_taker import ContentTaker
from blockd.daemon.update.disk_room import LOOKS
from blockd.daemon.update.enforcement import Enforcement
from blockd.daemon.update.feed_set import FeedSet
from blockd.daemon.update.managed_feed import ManagedFeed
from blockd.daemon.update.ruleset_maker import RulesetMaker
from blockd.errors import FeedRefused, cause_of
from blockd.feeds.fetched import Fetched

ROUNDS = 2  # of compiling at once: the second, if the operator's own had to be read anew
GATHERING = 0.05  # seconds to wait for other feeds' news before compiling

log = logging.getLogger(__name__)


class Updater:
    """Keeps the ruleset as new as its feeds. While a version is pinned, new content waits in its feed's folder."""

    def __init__(
        self, feeds: FeedSet, compiling: Compiling, enforcement: Enforcement, recorder: AuditRecorder, timing: Timing
    ) -> None:
        self.feeds = feeds
        self._enforcement = enforcement
        self._recorder = recorder
        self._timing = timing
        self._news = asyncio.Event()
        self._building = asyncio.Lock()
        self._room = compiling.room
        self._taker = ContentTaker(feeds, compiling, enforcement, recorder, timing, self._news, self._fetch_anew)
        self.maker = RulesetMaker(compiling, enforcement, self._taker, timing)

    @property
    def is_busy(self) -> bool:
        """Whether news are waiting or being compiled."""
        return self._news.is_set() or self._building.locked()

    def begin(self) -> None:
        """Have compiled what is not in force as it should be, from what was accepted before."""
        catalogue = self._taker.catalogue()
        for name, managed in self.feeds.items():
            known = catalogue.feed(name) if catalogue else None
            digest, names = (known.digest, known.names) if known else ("", 0)
            if managed.state.complete(digest, names, self._timing.clock()):
                log.info("The content of feed %s that is in force counts as accepted: blockd was ended before.", name)
        for record in catalogue.feeds if catalogue else ():
            if record.name in self.feeds and not self.feeds[record.name].state.sizes.known:
                self.feeds[record.name].state.sizes.note(record.names, self._timing.clock())
        candidates = [self.feeds.candidate(name, None) for name in self.feeds]
        is_old = catalogue is None or catalogue.made_from != fingerprint(candidates, self.maker.gate)
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
            self.maker.prepare()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._compile_news())
                group.create_task(self._hurry_news())
                group.create_task(self._watch_room())
                for managed in self.feeds.values():
                    group.create_task(self._poll_forever(managed))
        finally:
            await self.maker.close()

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
        await self._compile(chosen)
        if await self._taker.alone.wait(set(chosen)):
            await self._compile(chosen)
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

    def note_gate(self) -> None:
        """Have compiled soon what was accepted, since the gate is another; a pinned version stays as it is."""
        self._news.set()

    def make_anew(self) -> None:
        """Poll every feed at once, and compile, since files were lost: what a feed has lost is fetched again."""
        for managed in self.feeds.values():
            managed.news_hinted.set()
        self._news.set()

    async def gate_changed(self) -> FeedOutcome:
        """Compile what was accepted with the gate of now, and have it enforced; a pinned version stays as it is."""
        if self._enforcement.is_held:
            return FeedOutcome("waiting", f"version {self.version} is pinned, and stays as it is until it is released")
        self._news.set()
        await self._compile()
        catalogue = self._taker.catalogue()
        if catalogue is None:
            return FeedOutcome("unchanged", "nothing is enforced yet")
        candidates = [self.feeds.candidate(name, None) for name in self.feeds]
        if catalogue.made_from == fingerprint(candidates, self.maker.gate):
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
            if managed.state.has_lost_accepted:
                self._forget_lost(managed)
            try:
                self._polled(managed, await managed.poll())
            except FeedRefused as refused:
                managed.look_refusal = managed.note_refusal(refused, self._taker.catalogue(), self._recorder)
            except OSError as error:
                fault = FeedRefused("fault", f"What was fetched cannot be kept ({cause_of(error)}). It is tried again.")
                managed.look_refusal = managed.note_refusal(fault, self._taker.catalogue(), self._recorder)
            except Exception:
                log.exception(
                    "Polling feed %s failed because of an internal error in blockd.", managed.source.feed.name
                )
                managed.look_refusal = "blockd had an internal error; its log has the details"
                managed.refused["fault"] += 1
            managed.looked = True

    def _polled(self, managed: ManagedFeed, fetched: Fetched | None) -> None:
        """Offer new content to the compiler, or note that the accepted content was found again."""
        state = managed.state
        managed.tell_parts(self._recorder)
        managed.look_refusal = ""
        if fetched is not None and fetched.digest != state.accepted_digest:
            if state.reading is not None and fetched.digest == state.reading.digest:
                managed.source.taken(fetched)
                fetched.path.unlink(missing_ok=True)
                return
            basis = managed.basis_now(self.maker.gate, self._taker.catalogue(), self._timing.clock())
            known = managed.known.of(fetched.digest, basis)
            if known is not None and fetched.digest != state.waived_digest:
                managed.source.taken(fetched)
                self._taker.refuse_again(managed, fetched, known)
                return
            self._taker.alone.drop(managed.source.feed.name)
            managed.offer(
                fetched
            )  # the content in force may be renewed by it: its expiry changes only with the content
            self._news.set()
            self.maker.urgent.set()
            return
        if fetched is not None:
            managed.source.taken(fetched)
            self._recorder.confirmed(managed.source.feed.name, fetched)
            fetched.path.unlink(missing_ok=True)
            self._taker.alone.drop(managed.source.feed.name)
            state.withdraw()
        if fetched is not None or managed.found_again():
            managed.content_refusal = ""
        is_newest = not state.incoming and not state.waiting
        if (
            not state.incoming
            and not self.maker.is_compiling(managed.source.feed.name)
            and self._taker.renew([managed])
        ):
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

    async def make_room(self) -> None:
        """Delete what a disk that is nearly full has no room for, so that what is new can be enforced."""
        if self._room is None:
            return
        try:
            await asyncio.to_thread(self._room.look)
            if not self._room.keeps_history:
                for managed in self.feeds.values():
                    managed.state.drop_refused()
        except OSError as error:
            log.error("No room can be made on the disk: %s.", error)

    async def _watch_room(self) -> None:
        while True:
            await self.make_room()
            await self._timing.sleep(LOOKS)

    async def _hurry_news(self) -> None:
        while True:
            await self.maker.urgent.wait()
            self.maker.urgent.clear()
            await self._timing.sleep(GATHERING)
            await self.maker.hurry()

    async def _compile(self, chosen: Mapping[str, ManagedFeed] | None = None) -> None:
        """Compile what is new, if anything is, and have it enforced.

        If the news of all `chosen` feeds can overtake a compile in progress, that is not waited for.
        """
        if chosen and self._building.locked() and any(managed.state.incoming for managed in chosen.values()):
            await self.maker.hurry()
            if not any(managed.state.incoming for managed in chosen.values()):
                return
        async with self._building:
            if self._news.is_set():
                await self.make_room()
            for _ in range(ROUNDS):
                if self._news.is_set():
                    self._news.clear()
                    await self.maker.make()

    async def _fetch_anew(self, managed: ManagedFeed) -> None:
        """Forget a feed's content, since it can no longer be read; its names stay in force until then.

        The operator's own is read at once: it is on this machine.
        """
        self._forget_lost(managed)
        if managed.source.feed.is_own:
            await self._poll(managed)
            self._news.set()

    def _forget_lost(self, managed: ManagedFeed) -> None:
        name = managed.source.feed.name
        log.error("The content of feed %s cannot be read. It is fetched again. %s", name, self._taker.in_force())
        managed.forget_accepted()
