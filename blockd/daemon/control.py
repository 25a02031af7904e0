"""The control process: feeds, orders coming into force, the admin port. It answers no questions and serves no page."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
from collections.abc import Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from prometheus_client import CollectorRegistry, generate_latest

from blockd.audit import AuditLog, AuditRecorder
from blockd.audit.gap import read_alive
from blockd.daemon.cache.service import CacheFlushed, CacheService, CacheShown
from blockd.daemon.certificates.watch import CertificateWatch
from blockd.daemon.channel import Channel, Message, listen
from blockd.daemon.clock_watch import ClockWatch
from blockd.daemon.contexts import ControlContext
from blockd.daemon.damage import Damage
from blockd.daemon.environment import Environment
from blockd.daemon.followers.watch import Followers
from blockd.daemon.hit_slots import HitSlots
from blockd.daemon.lookup.asking import WorkerAsker
from blockd.daemon.lookup.named import NamedOrders, named_orders
from blockd.daemon.lookup.online import Lookups, World
from blockd.daemon.lookup.result import LookupResult
from blockd.daemon.operator.accepting import AcceptResult, AcceptService
from blockd.daemon.operator.admin_secret import admin_secret
from blockd.daemon.operator.overrides import OverrideResult, OverrideService
from blockd.daemon.operator.releases import ReleaseResult, ReleaseService, released_keys
from blockd.daemon.order_clock import OrderClock
from blockd.daemon.page.dossiers import DossierService
from blockd.daemon.process_name import name_process
from blockd.daemon.processes import pulse
from blockd.daemon.processes.background import end, forget_traffic
from blockd.daemon.processes.children import leave
from blockd.daemon.processes.signals import ENDING
from blockd.daemon.processes.supervisor_watch import SupervisorWatch
from blockd.daemon.report import conditions
from blockd.daemon.report.announcement import Announcement
from blockd.daemon.report.held_back import HeldBack
from blockd.daemon.report.scrape import sample
from blockd.daemon.report.statements import Sources, StatementResult, StatementService
from blockd.daemon.report.status import Observed, Status
from blockd.daemon.results import HintResult, RefreshResult, RollbackResult
from blockd.daemon.ruleset_switcher import RulesetSwitcher
from blockd.daemon.switching import ControlChannel, Store, WorkerLink
from blockd.daemon.update.child_process import yield_to_workers
from blockd.daemon.update.compile_child import Compiling
from blockd.daemon.update.current_gate import CurrentGate
from blockd.daemon.update.feed_set import FeedSet, resolving
from blockd.daemon.update.updater import Updater
from blockd.daemon.upstreams.service import UpstreamService
from blockd.daemon.workers import Workers
from blockd.errors import BadName
from blockd.feeds.overrides.file import FILE as OVERRIDES_FILE
from blockd.feeds.overrides.file import UNNAMED_OPERATOR
from blockd.feeds.reasons import REASONS
from blockd.metrics import Collector, Sample, Sketch
from blockd.resolver import engine_name
from blockd.resolver.own_networks import own_networks
from blockd.resolver.resolution import Resolution
from blockd.ruleset import Enforced
from blockd.ruleset.explain import Explanation, explain
from blockd.ruleset.lookup_query import LookupQuery
from blockd.ruleset.versions.keeping import Retention
from blockd.settings import OverridesFeed
from blockd.web.admin import Condition, admin_app
from blockd.web.admin_serving import serve_admin
from blockd.web.bearer import Bearer
from blockd.web.bounds.admin_closings import AdminClosings

ORDERLY = 1.5  # seconds for all that runs to end; the records of the audit log are written in what is left of a stop
THREADS = 16  # for what waits for the disk, beside those that feeds wait in
THREADS_OF_FEED = 4  # that a feed may wait in: for its file or its server's address, and for earlier ones

log = logging.getLogger(__name__)


def run(context: ControlContext, channel: Channel) -> None:
    """Serve until the channel ends or the process is told to stop."""
    signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)  # until the event loop heeds them: the audit log has the end, too
    name_process("control")
    yield_to_workers()
    context.shared.sockets.keep(context.shared.sockets.admin)

    async def until_stopped() -> None:
        await ControlProcess(context, channel, Environment.real(context.nursery)).run()
        leave()

    asyncio.run(until_stopped())


class ControlProcess:
    """The control process; implements `blockd.web.Control` for the admin port."""

    def __init__(self, context: ControlContext, channel: ControlChannel, environment: Environment) -> None:
        shared, timing = context.shared, environment.timing
        settings, state, gate = shared.settings, shared.state, context.gate.gate()
        own = OverridesFeed(path=state.folder / OVERRIDES_FILE)
        self._context = context
        self._settings = settings
        self._state = state
        self._channel = channel
        self._timing = timing
        self._stop = asyncio.Event()
        self._refreshing: set[asyncio.Task[object]] = set()
        self._is_blind = state.is_out_of_reach()  # then nothing is made of feeds whose state could not be read
        # From here on each part depends only on those above it.
        self._slots = HitSlots.load(state.folder / "hit-slots.json", clear=shared.counters.clear_hits)
        self._workers = Workers.of(settings.workers, context.workers)
        self._followers = Followers.of(
            context.followers, timing.monotonic, has_page=shared.sockets.has_page, decides=bool(shared.sockets.decide)
        )
        self._upstreams = UpstreamService(shared, context.resolution, channel, timing)
        self._certificates = CertificateWatch.of(settings, context.certificates.pairs(), channel, timing)
        source = resolving(environment.source, self._upstreams.for_all_names)
        self._feeds = FeedSet.load((*settings.feeds, own), state.feed_folder, gate, timing, source, settings.limits)
        self._upstreams.follow(self._feeds)
        self._tests = environment.self_tests(settings, shared.selftest_key)
        self._audit = AuditLog(state.folder, timing.clock, state.room.no_evidence)
        self._recorder = AuditRecorder(self._audit, self._feeds.settings, timing.clock)
        store = Store(state, self._slots, Retention.of(settings), environment.compare)
        link = WorkerLink(self._workers, channel)
        self._switcher = RulesetSwitcher(store, link, self._feeds, self._tests, self._recorder, timing)
        self._caches = CacheService(link, lambda: self._enforced, timing)
        self._clock_watch = ClockWatch(timing.clock)
        self._clock_watch.know([read_alive(state.folder), *(found.state.checked for found in self._feeds.values())])
        self._order_clock = OrderClock(state, self._switcher, self._feeds, self._recorder, timing, self._clock_watch)
        released, trouble = released_keys(state.folder)
        self._gate = CurrentGate(gate, released)
        self._gate.stand_on(own_networks(settings, context.resolution.observation))
        compiling = Compiling(self._gate, state.compiling / "compiled", environment.compiler, state.room)
        self._updater = Updater(self._feeds, compiling, self._switcher, self._recorder, timing)
        watch = SupervisorWatch(context.supervisor)
        self._damage = Damage(
            state, self._switcher, channel, timing, context.damaged, watch, self._updater, context.unverified
        )
        self._damage.note_restarts(context.restarts)
        self._upstreams.listen(self._stand_on)
        self._overrides = OverrideService(
            own.path, settings.operator.name or UNNAMED_OPERATOR, self._recorder, self._updater, self._switcher,
            gate.guard, timing.clock,
        )  # fmt: skip
        self._acceptance = AcceptService(self._recorder, self._updater)
        self._releases = ReleaseService(state.folder, self._gate, self._recorder, self._updater, timing.clock, trouble)
        sources = Sources(self._switcher, self._feeds, self._workers, self._recorder, self._tests, settings.groups)
        self._statements = StatementService(settings.operator.name, sources, timing)
        self._dossiers = DossierService(settings, state, self._recorder, lambda: self._enforced, timing)
        self._held = HeldBack(state.versions)
        self._bearer = Bearer(admin_secret(state.folder), timing.monotonic)
        self._closings = AdminClosings(timing.monotonic)
        self._observed = Observed(
            self._switcher, self._feeds, self._workers, self._followers, self._damage, self._tests, self._overrides,
            self._audit, self._releases, shared.sockets.bound, self._clock_watch, context.running, self._held,
            self._updater.maker, state.room, self._upstreams, self._certificates, settings, timing.clock(),
        )  # fmt: skip
        asker = WorkerAsker(settings.listen.dns, shared.selftest_key)
        world = World(settings, lambda: self._enforced, asker, timing.clock, self._held, self._upstreams.resolution)
        self._lookups = Lookups(world)
        self._registry = CollectorRegistry()
        self._registry.register(Collector(shared.counters, list(REASONS), self._sample))

    async def run(self) -> None:
        """Serve until told to stop."""
        loop = asyncio.get_running_loop()
        pulse.begin(loop)
        self._damage.supervisor.begin(loop)
        # One feed's file or resolver that does not answer holds a thread or two: never all of them.
        loop.set_default_executor(ThreadPoolExecutor(THREADS + THREADS_OF_FEED * len(self._feeds)))
        for number in ENDING:
            loop.add_signal_handler(number, self._stop.set)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)
        listen(self._channel, self._hear, self._stop.set)
        self._state.tidy()  # unfinished files of a control process that died
        self._recorder.begin(
            engine=engine_name(), config=self._context.running.digest, workers=self._settings.workers,
            restarted=not self._context.announce, groups=self._settings.groups,
        )  # fmt: skip
        serving, stopped = asyncio.create_task(self._serve()), asyncio.create_task(self._stop.wait())
        await asyncio.wait([serving, stopped], return_when=asyncio.FIRST_COMPLETED)
        tasks = {serving, stopped, *self._refreshing}
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks, timeout=ORDERLY)
        await asyncio.to_thread(self._recorder.end)
        if not self._stop.is_set():
            serving.result()

    async def _serve(self) -> None:
        """Do all the work, until cancelled or until one part of it fails."""
        async with contextlib.AsyncExitStack() as ending:  # what is entered last ends first
            ending.push_async_callback(self._switcher.close)
            self._statements.begin()
            await self._switcher.begin(self._context.version)
            self._slots.adopt(self._enforced)
            enforced = self._enforced
            self._clock_watch.know([self._recorder.newest, enforced.ruleset.header.created if enforced else None])
            app = admin_app(self, self._bearer, [self._settings.listen.admin.host])
            admin = await serve_admin(app, self._context.shared.sockets.admin, closings=self._closings)
            forgetting = forget_traffic(self._context.shared.traffic, self._timing)
            stating = self._statements.state_forever(self._settings.audit.statement)
            needed = [self._order_clock.run(), self._upstreams.run(), self._damage.run()]
            needed += [] if self._is_blind else [self._updater.run()]
            others = forgetting, stating, self._certificates.run(), self._dossiers.run()
            tasks = [asyncio.create_task(work) for work in (*needed, *others)]
            if self._context.announce:
                shown = self._context, self._feeds, self._updater, self._switcher, self._timing, self.readiness
                tasks.append(asyncio.create_task(Announcement(*shown).tell()))
            ending.push_async_callback(end, tasks)
            ending.push_async_callback(admin.close)  # a request may be having something enforced
            done, _ = await asyncio.wait(tasks[: len(needed)], return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()

    @property
    def _enforced(self) -> Enforced | None:
        """The version in force."""
        return self._switcher.enforced

    def health(self) -> Condition:
        """Return whether all processes are running, and all that follow the workers do so."""
        return conditions.health(self._workers, self._followers, self._damage.supervisor, self._switcher.version)

    def readiness(self) -> Condition:
        """Return whether every worker enforces the current version."""
        return conditions.readiness(self._workers, self._switcher.version, self._settings)

    def metrics(self) -> bytes:
        """Return every series."""
        return generate_latest(self._registry)

    def status(self) -> Status:
        """Return what `blockd status` shows."""
        return self._observed.status(self._timing.clock())

    async def refresh(self, names: list[str] | None, /) -> RefreshResult:
        """Poll feeds now and enforce what is new."""
        return await self._updater.refresh(names)

    def hint(self, name: str | None, /) -> HintResult:
        """Poll a feed soon, or all signed ones."""
        return self._feeds.hint_signed(name)

    def traffic(self) -> Sketch:
        """Return the sketch of recent traffic."""
        return self._context.shared.traffic.sketch()

    async def rollback(self, version: int, reason: str, /) -> RollbackResult:
        """Enforce a version kept, and pin it."""
        await self._switcher.roll_back(version, reason)
        return RollbackResult(self._switcher.version, pinned=version)

    async def release(self, reason: str = "", /) -> RollbackResult:
        """Release the pinned version, and enforce what has waited."""
        await self._switcher.release(reason)
        await self._updater.catch_up()
        return RollbackResult(self._switcher.version, pinned=None)

    async def override(self, kind: str, asked: Mapping[str, str], /) -> OverrideResult:
        """Add or end a local override, and enforce that."""
        if kind == "end":
            return await self._overrides.end(asked)
        before: Explanation | None = None
        with contextlib.suppress(BadName):  # which `add` refuses with a sentence
            before = explain(self._enforced, asked["name"])
        return replace(await self._overrides.add(asked), before=before)

    async def accept(self, asked: Mapping[str, str], /) -> AcceptResult:
        """Take what the gate refused of a feed, and enforce that."""
        return await self._acceptance.accept(asked)

    async def held(self, kind: str, asked: Mapping[str, str], /) -> ReleaseResult:
        """Let an entry through that the gate holds back, or end that, and enforce it."""
        return await (self._releases.release(asked) if kind == "release" else self._releases.hold(asked))

    async def statement(self) -> StatementResult:
        """Sign a statement of what is enforced now."""
        return await self._statements.state()

    async def lookup(self, query: LookupQuery, /) -> LookupResult:
        """Return what happens to a name or an address."""
        return await self._lookups.look_up(query)

    async def cached(self, name: str, /) -> CacheShown:
        """Return what every worker has cached of a name."""
        return await self._caches.show(name)

    async def flush(self, kind: str, name: str, /) -> CacheFlushed:
        """Remove what every worker has cached: of a name, of all below one, or all."""
        return await self._caches.flush(kind, name)

    def orders(self, asked: str, /) -> NamedOrders:
        """Return the orders that a text may name, and how each stands."""
        return named_orders(self._enforced, asked)

    def _hear(self, message: Message) -> None:
        try:
            self.heard(message)
        except (ValueError, TypeError, KeyError, AttributeError) as error:  # of a worker that was broken into
            log.error("A message of a worker cannot be understood (%r); it is left out.", error)

    def heard(self, message: Message) -> None:
        """Handle a message of the supervisor."""
        if "refresh" in message:
            self._begin(self._certificates.look())
            if not self._is_blind:
                self._context.running.tell()
                self._begin(self._updater.refresh(None))
        elif "restarts" in message:
            self._damage.note_restarts(message["restarts"])
        elif "unverified" in message:
            self._damage.note_unverified(message["unverified"])
        elif "cache" in message:
            self._caches.heard(message)
        elif "notified" in message:
            self._feeds.hint(str(message["notified"]))
        elif "refused_notify" in message:
            self._feeds.notify.heard(message["refused_notify"])
        elif not self._followers.heard(message):
            self._workers.heard(message)
            if "enforcing" in message:
                self._followers.worker_enforces(int(message["enforcing"]))

    def _begin(self, work: Coroutine[None, None, object]) -> None:
        task = asyncio.create_task(work)
        self._refreshing.add(task)
        task.add_done_callback(self._refreshing.discard)

    def _stand_on(self, resolution: Resolution) -> None:
        """Have no list block the upstreams of now, if they are others."""
        if self._gate.stand_on(own_networks(self._settings, resolution.observation)):
            log.info("Other upstreams are asked: no list may block their addresses from the next ruleset on.")
            self._updater.note_gate()

    def _sample(self) -> Sample:
        return sample(
            self._enforced, self._feeds, self._slots, self._recorder, self._held,
            is_pinned=self._switcher.pin is not None, is_ready=self.readiness().is_ok,
            followers=self._followers, tests=self._tests,
            releases_failed=bool(self._releases.trouble), clock_behind=self._clock_watch.behind(),
            contradictions=self._switcher.journal.contradictions.count,
            damage=self._damage,
            compiling=self._updater.maker.seconds, room=self._state.room, upstreams=self._upstreams.sample(),
            certificates=self._certificates.sample(self._timing.clock()),
            admin_refused=self._bearer.refused, admin_closed=self._closings.counts, now=self._timing.clock(),
        )  # fmt: skip
