"""The control process: feeds, orders coming into force, the block page, the admin port. Never in a question's way."""

from __future__ import annotations

import asyncio
import logging
import signal
import time
from collections.abc import Mapping

from prometheus_client import CollectorRegistry, generate_latest

from blockd.daemon.alarms import alarms
from blockd.daemon.audit import Accounts, AuditLog
from blockd.daemon.background import yield_to_workers
from blockd.daemon.banner import banner
from blockd.daemon.channel import Channel, Message
from blockd.daemon.enforcing import Enforcing
from blockd.daemon.expiry import Ends, Expiry, ended, next_end, orders_of
from blockd.daemon.overriding import Overriding
from blockd.daemon.selftest import SelfTests
from blockd.daemon.state import HitSlots
from blockd.daemon.stating import Stating, statement_of
from blockd.daemon.status import Fleet, sample, status
from blockd.daemon.tracing import trace
from blockd.daemon.tracked import configured
from blockd.daemon.updater import Updater
from blockd.daemon.work import ControlWork
from blockd.feeds.overrides import FILE as OVERRIDES_FILE
from blockd.feeds.reasons import REASONS
from blockd.metrics import Collector, Sample, Transport
from blockd.metrics.collector import AuditSample
from blockd.metrics.traffic import HALF_LIFE
from blockd.orders import Verdict
from blockd.resolver import engine_name
from blockd.ruleset import NOT_LISTED, Enforced, next_flip
from blockd.ruleset.explain import explain
from blockd.settings import OverridesFeed
from blockd.settings.feeds import OVERRIDES, UNNAMED_AUTHORITY
from blockd.web import Condition, Protocol, Serving, Site, admin_app, block_page_app, serve_admin, serve_http, serve_tls

TICK = 1.0  # seconds at most between two looks at the clock, so that a clock that is set is noticed
FIRST_LOOK = 10.0  # seconds to wait for all feeds at a first start before the start-up is told as it is

log = logging.getLogger(__name__)


def run(work: ControlWork, channel: Channel) -> None:
    """Serve until the channel ends or the process is told to stop."""
    yield_to_workers()
    asyncio.run(ControlProcess(work, channel).run())


class ControlProcess:
    """Implements what the admin port asks (`blockd.web.Control`)."""

    def __init__(self, work: ControlWork, channel: Channel) -> None:
        self._work = work
        self._settings = work.settings
        self._state = work.state
        self._channel = channel
        self._row = work.counters.row(work.settings.workers)
        self._slots = HitSlots.load(work.state.folder / "hit-slots.json")
        self._fleet = Fleet(work.settings.workers, dict(work.workers), dict(work.enforcing))
        self._tests = SelfTests(work.settings, work.selftest_key)
        self._tracing = asyncio.Lock()  # so that nobody has many lists read at once
        self._started = time.time()
        self._expiry = Expiry()
        self._stop = asyncio.Event()
        self._refreshing: set[asyncio.Task[object]] = set()
        self._registry = CollectorRegistry()
        settings, gate = work.settings, work.gate.gate()
        own = OverridesFeed(path=work.state.folder / OVERRIDES_FILE)
        feeds = (*settings.feeds, own)
        self._audit = AuditLog(work.state.folder)
        self._accounts = Accounts(self._audit, feeds, time.time)
        self._enforcing = Enforcing(
            work.state,
            self._slots,
            channel,
            self._fleet,
            feeds,
            settings.versions.keep,
            self._ends,
            self._tests,
            lambda name, fetched: self._updater.examples(name, fetched),
            self._accounts,
        )
        self._updater = Updater(
            feeds,
            work.state.feed_folder,
            gate,
            enforcement=self._enforcing,
            compiled=work.state.folder / "compiled",
            renewed=self._enforcing.flips.set,
            accounts=self._accounts,
        )
        self._overriding = Overriding(
            own.path,
            settings.operator.name or UNNAMED_AUTHORITY,
            self._accounts,
            self._look_at_overrides,
            time.time,
            gate.guard,
        )
        self._stating = Stating(self._accounts, settings.operator.name, self._stated)

    async def run(self) -> None:
        """Serve until told to stop."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        loop.add_reader(self._channel.fileno(), self._hear)
        self._state.tidy()  # what the one before was writing when it died
        self._accounts.begin(
            engine=engine_name(),
            config=self._work.config,
            workers=self._settings.workers,
            restarted=not self._work.announce,
        )
        self._stating.begin()
        await self._enforcing.begin(self._work.version)
        self._registry.register(Collector(self._work.counters, list(REASONS), self._sample))
        serving = await self._serve()
        tasks = [asyncio.create_task(self._updater.run()), asyncio.create_task(self._keep_time())]
        tasks.append(asyncio.create_task(self._forget_traffic()))
        tasks.append(asyncio.create_task(self._stating.state_forever(self._settings.audit.statement)))
        if self._work.announce:
            tasks.append(asyncio.create_task(self._announce()))
        stopped = asyncio.create_task(self._stop.wait())
        done, _ = await asyncio.wait([stopped, *tasks[:2]], return_when=asyncio.FIRST_COMPLETED)
        for task in (*tasks, stopped):
            task.cancel()
        await asyncio.gather(*tasks, stopped, return_exceptions=True)
        await self._enforcing.close()
        await asyncio.to_thread(self._accounts.end)
        for server in serving:
            await server.close()
        for task in done - {stopped}:
            task.result()

    @property
    def _enforced(self) -> Enforced | None:
        """What is in force."""
        return self._enforcing.enforced

    def health(self) -> Condition:
        """Whether every worker lives."""
        missing = self._fleet.missing()
        if missing:
            return Condition(False, f"workers {missing} are not running; they are being started again")
        return Condition(True, "every worker runs")

    def readiness(self) -> Condition:
        """Whether every worker enforces the current version."""
        if self._enforced is None:
            done = "resolved without a policy" if self._settings.at_first_start == "serve" else "answered with SERVFAIL"
            return Condition(False, f"no list is enforced yet: names are {done}")
        behind = self._fleet.behind(self._enforced.version)
        if behind:
            return Condition(False, f"workers {behind} do not enforce version {self._enforced.version} yet")
        return Condition(True, f"version {self._enforced.version} is enforced by every worker")

    def metrics(self) -> bytes:
        """Every series."""
        return generate_latest(self._registry)

    def status(self) -> dict[str, object]:
        """Feeds, versions, age, workers, engine."""
        now, pin = time.time(), self._enforcing.pin
        feeds, fleet, started = configured(self._updater.feeds), self._fleet, self._started
        told = status(self._settings, self._enforced, feeds, fleet, pin=pin, started=started, now=now)
        up = alarms(
            self._enforced, self._updater.feeds, fleet, self._tests, engine_name(),
            pin=pin, audit=self._audit.trouble, started=started, now=now,
        )  # fmt: skip
        more = {
            "self_test": self._tests.told(),
            "overrides": self._overriding.told(),
            "audit": {**self._audit.head.to_json(), "trouble": self._audit.trouble or None},
            "alarms": [alarm.to_json() for alarm in up],
        }
        return {**told, **more}

    async def refresh(self, names: list[str] | None, /) -> dict[str, object]:
        """Look at feeds now and enforce what is new."""
        told = await self._updater.refresh(names)
        return {"feeds": told, "version": self._enforced.version if self._enforced else None}

    def hint(self, name: str | None, /) -> dict[str, object]:
        """Look at a feed soon, or at all signed ones."""
        return {"feeds": self._updater.hint_signed(name)}

    def traffic(self) -> dict[str, object]:
        """The sketch of recent traffic."""
        return self._work.traffic.sketch().to_json()

    async def rollback(self, version: int, reason: str, /) -> dict[str, object]:
        """Enforce a version kept, and hold it."""
        await self._enforcing.roll_back(version, reason)
        return {"version": version, "pinned": version}

    async def release(self, reason: str = "", /) -> dict[str, object]:
        """Hold no version any more, and enforce what has waited."""
        await self._enforcing.release(reason)
        await self._updater.catch_up()
        return {"version": self._enforced.version if self._enforced else None, "pinned": None}

    async def override(self, kind: str, asked: Mapping[str, str], /) -> dict[str, object]:
        """Add or end a local override, and enforce that."""
        return await (self._overriding.add(asked) if kind == "add" else self._overriding.end(asked))

    async def statement(self) -> dict[str, object]:
        """Sign a statement of what is enforced now."""
        return await self._stating.state()

    def lookup(self, name: str, /) -> dict[str, object]:
        """Explain the verdict for a name."""
        return explain(self._enforced, name, time.time())

    async def trace(self, name: str, /) -> dict[str, object]:
        """Explain it, and read the lists and the versions kept, one reader at a time."""
        told = self.lookup(name)
        async with self._tracing:
            return await asyncio.to_thread(trace, told, name, self._settings.feeds, self._state.folder)

    async def _look_at_overrides(self) -> dict[str, object]:
        told = await self._updater.refresh([OVERRIDES])
        came = told[OVERRIDES]
        return {**came, "version": self._enforced.version if self._enforced else None} if isinstance(came, dict) else {}

    def _stated(self) -> dict[str, object]:
        return statement_of(self._enforced, self._updater.feeds, self._fleet, self._accounts, self._tests.told())

    def _hear(self) -> None:
        messages = self._channel.receive()
        if messages is None:
            asyncio.get_running_loop().remove_reader(self._channel.fileno())
            self._stop.set()
            return
        for message in messages:
            self._heard(message)

    def _heard(self, message: Message) -> None:
        if "refresh" in message:
            task = asyncio.create_task(self._updater.refresh(None))
            self._refreshing.add(task)
            task.add_done_callback(self._refreshing.discard)
        elif "notified" in message:
            self._updater.hint(str(message["notified"]))
        else:
            self._fleet.heard(message)

    async def _keep_time(self) -> None:
        """Flip the orders' states on the second, and at once where the clock was set."""
        while True:
            enforced = self._enforced
            now = time.time()
            ends = self._ends(now)
            orders, stale = orders_of(enforced.ruleset.catalogue, ends) if enforced else ([], frozenset())
            self._expiry.look(self._updater.known(), now)
            if enforced is not None:
                states = self._state.writable_states(enforced)
                before = bytes(states.states)
                for order, state in states.update(orders, now, stale):
                    log.info("Order %s of %s is %s from now on.", order.id, order.authority, state.text)
                self._accounts.flipped(enforced, before, time.time())
                states.close()
            changes = (next_flip(orders, now), next_end(self._updater.known(), now))
            at = min((change for change in changes if change is not None), default=None)
            self._enforcing.flips.clear()
            last = now
            while not self._enforcing.flips.is_set() and last <= (now := time.time()) and (at is None or now < at):
                last = now
                if self._ends(now) != ends:
                    break
                self._expiry.look(self._updater.known(), now)
                wait = TICK if at is None else min(TICK, max(at - now, 0.001))
                try:
                    async with asyncio.timeout(wait):
                        await self._enforcing.flips.wait()
                except TimeoutError:
                    continue

    def _ends(self, now: float) -> Ends:
        return ended(self._updater.known(), now)

    async def _forget_traffic(self) -> None:
        while True:
            await asyncio.sleep(HALF_LIFE)
            self._work.traffic.halve()

    async def _serve(self) -> list[Serving]:
        operator, sockets = self._settings.operator, self._work.sockets
        site = Site(
            operator=operator.name,
            verdict_of=lambda key: self._enforced.verdict(key) if self._enforced else NOT_LISTED,
            count=self._count,
            url=str(operator.url),
            contact=operator.contact,
        )
        return [
            await serve_http(block_page_app(site), sockets.block_page_http),
            await serve_tls(site, sockets.block_page_https),
            await serve_admin(admin_app(self, [self._settings.listen.admin.host]), sockets.admin),
        ]

    def _count(self, verdict: Verdict, protocol: Protocol) -> None:
        """Count one visit to the sinkhole."""
        kind = 1 if protocol == "http" else 2
        self._row.query(Transport.HTTP if protocol == "http" else Transport.TLS)
        if self._enforced is not None and verdict.order_index is not None and verdict.action is not None:
            self._row.hit(self._enforced.states.hit_slots[verdict.order_index], kind)

    def _sample(self) -> Sample:
        enforcing = self._enforcing
        return sample(
            self._enforced,
            configured(self._updater.feeds),
            self._slots,
            self._accounts.times,
            AuditSample(bool(self._audit.trouble), self._audit.failures),
            is_pinned=enforcing.pin is not None,
            is_ready=self.readiness().is_ok,
            selftest_failures=self._tests.failures,
            now=time.time(),
        )

    async def _announce(self) -> None:
        """Tell the start-up: at once where a ruleset was there, else when what every feed gives is enforced."""
        deadline = time.monotonic() + FIRST_LOOK
        while time.monotonic() < deadline:
            feeds = configured(self._updater.feeds).values()
            looked = all(feed.looked and not feed.state.incoming for feed in feeds) and not self._updater.is_busy
            if looked or (self._work.version is not None and self.readiness().is_ok):
                break
            await asyncio.sleep(0.02)
        print("\n".join(banner(self._settings, self._work.config, self._enforced, self._updater.is_busy)), flush=True)
