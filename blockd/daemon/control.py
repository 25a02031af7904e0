"""The control process: feeds, orders coming into force, the block page, the admin port. Never in a question's way."""

from __future__ import annotations

import asyncio
import logging
import signal
import time
from collections.abc import Mapping
from pathlib import Path

from prometheus_client import CollectorRegistry, generate_latest

from blockd.daemon.banner import banner
from blockd.daemon.channel import Channel, Message
from blockd.daemon.state import HitSlots
from blockd.daemon.status import Fleet, sample, status
from blockd.daemon.updater import Updater
from blockd.daemon.work import ControlWork
from blockd.errors import RulesetError
from blockd.feeds.fetched import Fetched
from blockd.feeds.reasons import REASONS
from blockd.metrics import Collector, Sample, Transport
from blockd.metrics.collector import EnforcementTimes
from blockd.orders import Verdict
from blockd.ruleset import NOT_LISTED, Catalogue, Enforced, Gate, next_flip
from blockd.ruleset.explain import explain
from blockd.settings import TextFeed
from blockd.web import Condition, Protocol, Serving, Site, admin_app, block_page_app, serve_admin, serve_http, serve_tls

TICK = 1.0  # seconds at most between two looks at the clock, so that a clock that is set is noticed
SWAP_TIME = 10.0  # seconds that workers have to say that they enforce a version; a swap takes milliseconds
FIRST_LOOK = 10.0  # seconds to wait for all feeds at a first start before the start-up is told as it is

log = logging.getLogger(__name__)


def run(work: ControlWork, channel: Channel) -> None:
    """Serve until the channel ends or the process is told to stop."""
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
        self._enforced: Enforced | None = None
        self._fleet = Fleet(work.settings.workers, dict(work.workers), dict(work.enforcing))
        self._times = EnforcementTimes()
        self._started = time.time()
        self._stop = asyncio.Event()
        self._flips = asyncio.Event()  # set where the dates to wait for have changed
        self._refreshing: set[asyncio.Task[object]] = set()
        self._registry = CollectorRegistry()
        settings = work.settings
        self._updater = Updater(
            settings.feeds,
            work.state.feed_folder,
            Gate(settings.gate.max_shrink, settings.gate.min_names, settings.gate.max_rejects),
            in_force=lambda: self._enforced.ruleset if self._enforced else None,
            enforce=self._enforce,
            compiled=work.state.folder / "compiled",
        )

    async def run(self) -> None:
        """Serve until told to stop."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        loop.add_reader(self._channel.fileno(), self._hear)
        self._state.tidy()  # what the one before was writing when it died
        if self._work.version is not None:
            self._enforced = self._state.open(self._work.version)
            if self._state.versions.current() != self._work.version:  # the one before ended between swap and mark
                self._state.versions.make_current(self._work.version)
        self._registry.register(Collector(self._work.counters, list(REASONS), self._sample))
        serving = await self._serve()
        tasks = [asyncio.create_task(self._updater.run()), asyncio.create_task(self._keep_time())]
        if self._work.announce:
            tasks.append(asyncio.create_task(self._announce()))
        stopped = asyncio.create_task(self._stop.wait())
        done, _ = await asyncio.wait([stopped, *tasks[:2]], return_when=asyncio.FIRST_COMPLETED)
        for task in (*tasks, stopped):
            task.cancel()
        await asyncio.gather(*tasks, stopped, return_exceptions=True)
        for server in serving:
            await server.close()
        for task in done - {stopped}:
            task.result()

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
        return status(
            self._settings, self._enforced, self._updater.feeds, self._fleet, started=self._started, now=time.time()
        )

    async def refresh(self, names: list[str] | None, /) -> dict[str, object]:
        """Look at feeds now and enforce what is new."""
        told = await self._updater.refresh(names)
        return {"feeds": told, "version": self._enforced.version if self._enforced else None}

    def lookup(self, name: str, /) -> dict[str, object]:
        """Explain the verdict for a name."""
        return explain(self._enforced, name, time.time())

    async def _enforce(self, compiled: Path, taken: Mapping[str, Fetched]) -> int:
        """Verify, swap, notify; the version before stays in force where a worker cannot take the new one."""
        versions = self._state.versions
        version = versions.add(compiled)
        before = self._enforced
        try:
            enforced = await asyncio.to_thread(self._prepared, version)
        except (RulesetError, OSError) as error:
            versions.drop(version)
            raise RulesetError(str(error)) from error
        self._channel.send({"enforce": version})
        failure = await self._fleet.wait_for(version, SWAP_TIME)
        try:
            if not failure:
                versions.make_current(version)
        except OSError as error:
            failure = f"version {version} cannot be marked as the current one: {error}"
        if failure:
            enforced.close()
            if before is not None:  # else some workers enforce it, which is better than nothing, and need its file
                self._channel.send({"enforce": before.version})
                versions.drop(version)
            raise RulesetError(failure)
        self._enforced = enforced
        self._flips.set()
        catalogue = enforced.ruleset.catalogue
        if before is not None:
            self._observe(before.ruleset.catalogue, catalogue, taken)
            before.close()
        versions.prune(self._settings.versions.keep)
        header = enforced.ruleset.header
        log.info(
            "Version %d is enforced by every worker: %d names of %d orders from %d feeds.",
            version, header.names, len(catalogue.orders), len(catalogue.feeds),
        )  # fmt: skip
        return version

    def _prepared(self, version: int) -> Enforced:
        """Open a version that was compiled a moment ago; run in a thread, since it waits for the disk."""
        self._state.prepare(version, self._slots, time.time(), verify=False).close()
        self._slots.save()
        return self._state.open(version)

    def _observe(self, before: Catalogue, after: Catalogue, taken: Mapping[str, Fetched]) -> None:
        """Measure how long the orders that are new or changed, or a list without dates, took to be enforced."""
        now = time.time()
        known = {(record.feed, record.order.id): record.order for record in before.orders}
        for record in after.orders:
            order = record.order
            if order.published is not None and known.get((record.feed, order.id)) != order:
                self._times.observe(now - order.published)
        lists = {feed.name for feed in self._settings.feeds if isinstance(feed, TextFeed)}
        for name, fetched in taken.items():
            if name in lists and fetched.source_time is not None:
                self._times.observe(now - fetched.source_time)

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
            orders = [record.order for record in enforced.ruleset.catalogue.orders] if enforced else []
            now = time.time()
            if enforced is not None:
                states = self._state.writable_states(enforced)
                for order, state in states.update(orders, now):
                    log.info("Order %s of %s is %s from now on.", order.id, order.authority, state.text)
                states.close()
            at = next_flip(orders, now)
            self._flips.clear()
            last = now
            while not self._flips.is_set() and last <= (now := time.time()) and (at is None or now < at):
                last = now
                wait = TICK if at is None else min(TICK, max(at - now, 0.001))
                try:
                    async with asyncio.timeout(wait):
                        await self._flips.wait()
                except TimeoutError:
                    continue

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
        return sample(self._enforced, self._updater.feeds, self._slots, self._times, now=time.time())

    async def _announce(self) -> None:
        """Tell the start-up: at once where a ruleset was there, else when what every feed gives is enforced."""
        deadline = time.monotonic() + FIRST_LOOK
        while time.monotonic() < deadline:
            feeds = self._updater.feeds.values()
            looked = all(feed.looked and not feed.state.incoming for feed in feeds) and not self._updater.is_busy
            if looked or (self._work.version is not None and self.readiness().is_ok):
                break
            await asyncio.sleep(0.02)
        print("\n".join(banner(self._settings, self._work.config, self._enforced, self._updater.is_busy)), flush=True)
