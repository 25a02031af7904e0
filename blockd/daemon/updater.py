"""The feed updater: looks at every feed in its time, compiles what is new, and hands on what passed the gate.

A refusal costs one log line and one counter, and changes nothing that is in force.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from blockd.daemon.audit import Accounts
from blockd.daemon.compile_child import Compiler, Job
from blockd.daemon.enforcement import Enforcement
from blockd.daemon.feed_state import FeedState
from blockd.daemon.managed_feed import ManagedFeed, configured
from blockd.daemon.version_journal import News
from blockd.errors import BlockdError, CommandError, FeedRefused
from blockd.feeds.build import Built, Candidate, examples, fingerprint
from blockd.feeds.fetched import Fetched, Validators
from blockd.feeds.rejects import RejectReport
from blockd.feeds.watch import Watch
from blockd.ruleset import Catalogue, Gate
from blockd.ruleset.held import HeldReport
from blockd.settings import AnyFeed, SignedFeed

RETRY = 30.0  # seconds after which news that could not be compiled for a fault of ours are tried again
MAX_RETRY = 3600.0  # seconds; each time in a row it takes twice as long
GATHERING = 0.05  # seconds to wait for other feeds' news before compiling

log = logging.getLogger(__name__)


class Updater:
    """Keeps the ruleset as new as its feeds. What is new while the one in force is held waits in its feed's folder."""

    def __init__(
        self,
        feeds: Sequence[AnyFeed],
        folder_of: Callable[[str], Path],
        gate: Gate,
        *,
        enforcement: Enforcement,
        compiled: Path,
        renewed: Callable[[], None],
        accounts: Accounts,
    ) -> None:
        """`renewed` is called where the time of some feed's or authority's end has changed."""
        now = time.time()
        self.feeds: dict[str, ManagedFeed] = {}
        for feed in feeds:
            folder = folder_of(feed.name)
            folder.mkdir(parents=True, exist_ok=True)
            state = FeedState.load(folder, now)
            state.sizes.start(gate.limits)
            self.feeds[feed.name] = tracked = ManagedFeed(Watch(feed, folder, state.validators), state)
            if state.expires is None:
                tracked.renew()  # a zone's source knows it by itself
            tracked.save()
            tracked.forget_waiting()
        self._gate = gate
        self._enforcement = enforcement
        self._compiled = compiled
        self._renewed = renewed
        self._accounts = accounts
        self._news = asyncio.Event()
        self._compiler = Compiler()
        self._building = asyncio.Lock()
        self._fresh: set[str] = set()  # feeds whose news are being compiled
        self._failures = 0  # in a row, of ours

    @property
    def is_busy(self) -> bool:
        """Whether news are waiting or being compiled."""
        return self._news.is_set() or self._building.locked()

    def known(self) -> list[tuple[AnyFeed, FeedState]]:
        """Give every feed with its state."""
        return [(tracked.watch.feed, tracked.state) for tracked in self.feeds.values()]

    async def run(self) -> None:
        """Look and compile until cancelled."""
        catalogue = self._catalogue()
        for record in catalogue.feeds if catalogue else ():
            if record.name in self.feeds and not self.feeds[record.name].state.sizes.known:
                self.feeds[record.name].state.sizes.note(record.names, time.time())
        candidates = [self._candidate(tracked, None) for tracked in self.feeds.values()]
        is_old = catalogue is None or catalogue.made_from != fingerprint(candidates, self._gate.guard.digest)
        if is_old and any(c.accepted for c in candidates) and not self._enforcement.is_held:
            log.info("The config or the feeds are not those that the ruleset was made from: it is compiled anew.")
            self._news.set()
        if catalogue is not None and not configured(self.feeds):
            log.warning("No feed is configured: the ruleset of an earlier config stays enforced.")
        if self.feeds:
            self._compiler.prepare()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._compile_news())
                for tracked in self.feeds.values():
                    group.create_task(self._look_forever(tracked))
        finally:
            await self._compiler.close()

    async def refresh(self, names: Sequence[str] | None) -> dict[str, object]:
        """Look at feeds now, all where `names` is None, and enforce what is new; give what came of each.

        Raises CommandError for a feed that is not configured.
        """
        self._must_have(names or ())
        own = configured(self.feeds)
        chosen = [tracked for name, tracked in self.feeds.items() if name in (own if names is None else names)]
        before = {tracked.watch.feed.name: tracked.state.accepted_digest for tracked in chosen}
        await asyncio.gather(*(self._look(tracked) for tracked in chosen))
        await self._compile()
        told: dict[str, object] = {}
        for tracked in chosen:
            name = tracked.watch.feed.name
            if tracked.refusal:
                told[name] = {"outcome": "refused", "why": tracked.refusal}
            elif tracked.state.waiting and self._enforcement.is_held:
                told[name] = {"outcome": "waiting", "why": "it is new and good, and another version is pinned"}
            else:
                changed = tracked.state.accepted_digest != before[name]
                told[name] = {"outcome": "enforced" if changed else "unchanged"}
        return told

    async def catch_up(self) -> None:
        """Compile what has waited while a version was held, and have it enforced."""
        self._news.set()
        await self._compile()

    def examples(self, name: str, fetched: Fetched | None) -> list[bytes]:
        """Give a few names of what a feed has given, in `fetched` or accepted before."""
        return examples(self._candidate(self.feeds[name], fetched)) if name in self.feeds else []

    def hint(self, name: str) -> None:
        """Look at a feed soon: somebody says that it has news."""
        if name in self.feeds:
            self.feeds[name].news_hinted.set()

    def hint_signed(self, name: str | None) -> list[str]:
        """Look soon at one feed, all signed ones where `name` is None; give their names.

        Raises CommandError for a feed that is not configured.
        """
        self._must_have([name] if name is not None else [])
        signed = [feed for feed, tracked in self.feeds.items() if isinstance(tracked.watch.feed, SignedFeed)]
        woken = signed if name is None else [name]
        for feed in woken:
            self.hint(feed)
        return woken

    def _must_have(self, names: Sequence[str]) -> None:
        if unknown := [name for name in names if name not in self.feeds]:
            known = ", ".join(configured(self.feeds)) or "none"
            raise CommandError(f"There is no feed {unknown[0]!r}; configured are: {known}.")

    async def _look_forever(self, tracked: ManagedFeed) -> None:
        while True:
            await self._look(tracked)
            await tracked.due()

    async def _look(self, tracked: ManagedFeed) -> None:
        async with tracked.looking:
            try:
                fetched = await tracked.watch.look()
            except FeedRefused as refused:
                tracked.look_refusal = self._refused(tracked, refused, tracked.look_refusal)
            except Exception:
                log.exception("Looking at the feed %s failed for a fault of blockd's own.", tracked.watch.feed.name)
                tracked.look_refusal = "blockd itself failed on it; its log has the details"
                tracked.refused["fault"] += 1
            else:
                self._looked_at(tracked, fetched)
            tracked.looked = True

    def _looked_at(self, tracked: ManagedFeed, fetched: Fetched | None) -> None:
        """Offer what is new to the compiler; note a look that found what is accepted."""
        state = tracked.state
        tracked.tell_authorities()
        refused = tracked.refusal
        tracked.look_refusal = ""
        if fetched is not None and fetched.digest != state.accepted_digest:
            state.offer(fetched)  # what is in force may be renewed by it: its end changes only with the content
            self._news.set()
            return
        if fetched is not None:
            self._accounts.confirmed(tracked.watch.feed.name, fetched)
            fetched.path.unlink(missing_ok=True)
            state.incoming = None
            state.drop_waiting()  # its source has taken it back
            tracked.content_refusal = ""
        is_newest = not state.incoming and not state.waiting
        if not state.incoming and tracked.watch.feed.name not in self._fresh and self._renew([tracked]):
            tracked.save()
        if state.accepted_digest and not tracked.content_refusal and is_newest:
            tracked.confirm(time.time())
            if refused:
                log.info("Feed %s is good again; what it gives is what is in force.", tracked.watch.feed.name)
                self._accounts.good_again(tracked.watch.feed.name)

    async def _compile_news(self) -> None:
        while True:
            await self._news.wait()
            await asyncio.sleep(GATHERING)
            await self._compile()

    async def _compile(self) -> None:
        """Compile what is new, if anything is, and have it enforced."""
        async with self._building:
            if not self._news.is_set():
                return
            self._news.clear()
            fresh = {
                name: fetched for name, tracked in self.feeds.items() if (fetched := tracked.state.take_candidate())
            }
            self._fresh = set(fresh)
            candidates = [self._candidate(tracked, fresh.get(name)) for name, tracked in self.feeds.items()]
            try:
                if fresh or not await self._is_kept(candidates):
                    built = await self._compiler.compile(self._job(candidates))
                    await self._take(built, fresh)
                self._failures = 0
            except (BlockdError, OSError) as error:
                log.error("A new ruleset could not be made: %s. What was enforced before stays in force.", error)
                for name, fetched in fresh.items():
                    self.feeds[name].refused["fault"] += 1
                    self.feeds[name].content_refusal = str(error)
                    self.feeds[name].state.put_back(fetched)
                wait = min(RETRY * 2**self._failures, MAX_RETRY)
                self._failures = min(self._failures + 1, 16)
                asyncio.get_running_loop().call_later(wait, self._news.set)
            finally:
                self._fresh = set()
                self._renew([self.feeds[name] for name in fresh])
                for name, fetched in fresh.items():
                    if self.feeds[name].state.accepted_digest != fetched.digest:  # else it is saved
                        self.feeds[name].save()
                self._compiled.unlink(missing_ok=True)

    async def _is_kept(self, candidates: Sequence[Candidate]) -> bool:
        """Whether what was accepted before is enforced, or was until now and is again."""
        content = fingerprint(candidates, self._gate.guard.digest)
        catalogue = self._catalogue()
        return (catalogue is not None and catalogue.made_from == content) or await self._enforcement.recall(content)

    def _catalogue(self) -> Catalogue | None:
        ruleset = self._enforcement.ruleset
        return ruleset.catalogue if ruleset else None

    def _job(self, candidates: Sequence[Candidate]) -> Job:
        ruleset = self._enforcement.ruleset
        in_force = ruleset.path if ruleset else None
        return Job(candidates, self._compiled, self._gate, in_force, self._rejects(), self._held())

    async def _take(self, built: Built, fresh: dict[str, Fetched]) -> None:
        for name, refused in built.refused.items():
            tracked = self.feeds[name]
            tracked.content_refusal = self._refused(tracked, refused, tracked.content_refusal)
            if name in fresh:
                fresh[name].path.unlink(missing_ok=True)
        for name in built.lost:
            self._fetch_anew(self.feeds[name])
        if built.lost:
            for name, fetched in fresh.items():
                if name not in built.refused:
                    self.feeds[name].state.put_back(fetched)
        catalogue = self._catalogue()
        if built.header is None:
            return
        taken = {name: fetched for name, fetched in fresh.items() if name in built.taken}
        for name, report in built.held.items():
            if name not in taken:  # what it gave is the same: only the guard can have changed
                self.feeds[name].keep_held(report)
        self._renew([self.feeds[name] for name in taken])  # what is new is never enforced as expired
        if catalogue is None or catalogue.made_from != built.made_from:
            reports = (self._reports(built), self._held_reports(built))
            news = News(self._compiled, built.made_from, taken, *reports, built.news, built.changes)
            if not await self._enforcement.enforce(news):
                self._hold(taken)
                return
        catalogue = self._catalogue()
        names = {record.name: record.names for record in catalogue.feeds} if catalogue else {}
        for name, fetched in taken.items():
            held = built.held.get(name)
            self.feeds[name].tell_held(held)
            self.feeds[name].state.accept(
                fetched, built.rejects.get(name), time.time(), held=held, names=names.get(name)
            )
            self.feeds[name].content_refusal = ""
            for sentence in built.rejects[name].warnings if name in built.rejects else ():
                log.warning("Feed %s is taken: %s", name, sentence)

    def _renew(self, feeds: Sequence[ManagedFeed]) -> bool:
        """Let feeds end as was seen last; whether that is another time for any. The caller saves them."""
        renewed = [tracked for tracked in feeds if tracked.renew()]
        if renewed:
            self._renewed()
        return bool(renewed)

    def _reports(self, built: Built) -> dict[str, RejectReport]:
        """Give the reports of what was compiled; that of a refused content is not."""
        return self._rejects() | {name: report for name, report in built.rejects.items() if name not in built.refused}

    def _held_reports(self, built: Built) -> dict[str, HeldReport]:
        """Give the reports of what the gate held back of what was compiled."""
        return {name: report for name, report in (self._held() | built.held).items() if report.total}

    def _rejects(self) -> dict[str, RejectReport]:
        """Give the reject reports of what was accepted."""
        return {name: tracked.state.rejects for name, tracked in self.feeds.items() if tracked.state.rejects}

    def _held(self) -> dict[str, HeldReport]:
        """Give the reports of what the gate held back of it."""
        return {name: tracked.state.held for name, tracked in self.feeds.items() if tracked.state.held}

    def _hold(self, taken: dict[str, Fetched]) -> None:
        """Keep what is new and good until it may be enforced."""
        for name, fetched in taken.items():
            tracked = self.feeds[name]
            tracked.content_refusal = ""
            tracked.state.hold(fetched)
            if fetched.digest != tracked.held:
                log.info("Feed %s has something new. It waits: an operator has pinned the version in force.", name)
            tracked.held = fetched.digest

    def _fetch_anew(self, tracked: ManagedFeed) -> None:
        """Forget what a feed gave, since that cannot be read any more; its names stay in force until then."""
        feed = tracked.watch.feed
        log.error(
            "What feed %s gave cannot be read any more. It is fetched anew; the ruleset stays as it is.", feed.name
        )
        tracked.state.accepted_digest = ""
        tracked.state.validators = Validators()
        tracked.watch = Watch(feed, tracked.state.folder, Validators())

    def _refused(self, tracked: ManagedFeed, refused: FeedRefused, before: str) -> str:
        """Count a refusal, log it where it is not the one `before`, and give its sentence."""
        tracked.refused[refused.reason] += 1
        sentence = str(refused)
        if sentence != before:
            kept = "what it gave before stays in force" if tracked.state.accepted_digest else "it has given nothing yet"
            log.error("Feed %s is refused (%s): %s (%s)", tracked.watch.feed.name, refused.reason, sentence, kept)
            self._accounts.refused(tracked.watch.feed.name, refused.reason, sentence)
        return sentence

    def _candidate(self, tracked: ManagedFeed, fetched: Fetched | None) -> Candidate:
        return tracked.state.candidate(tracked.watch.feed, fetched, time.time())
