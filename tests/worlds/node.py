"""A node without processes and sockets: a whole control process, a worker's resolver, and a state folder.

What happens in it happens at once and at the times that a world says, so that thousands of worlds can be tried. The
control process, the compiler, the ruleset files and the engine are the real ones.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from blockd.audit import AuditLog
from blockd.audit.log import read_head
from blockd.compile.amend import amend
from blockd.compile.build import build, read_alone
from blockd.compile.built import Built
from blockd.compile.spending import NoWatch
from blockd.daemon.channel import Message
from blockd.daemon.config_watch import ConfigWatch
from blockd.daemon.contexts import ControlContext, PageContext, ProcessState, SharedContext
from blockd.daemon.control import ControlProcess
from blockd.daemon.environment import Environment
from blockd.daemon.hit_slots import HitSlots
from blockd.daemon.page.process import PageProcess
from blockd.daemon.state_dir import StateDir
from blockd.daemon.update.compile_child import Job
from blockd.feeds.fetched import Validators
from blockd.feeds.kinds import open_source
from blockd.feeds.source import FeedSource
from blockd.metrics import Counters, Traffic
from blockd.metrics.upstreams import UpstreamTable
from blockd.resolver import (
    CACHE_SEED,
    CacheOptions,
    Instruments,
    Resolver,
    SelfTestKey,
    Service,
    Sinkhole,
    UpstreamOptions,
    engine_name,
)
from blockd.resolver.forwarding.upstream_groups import Group
from blockd.resolver.machine.loop_token import LoopToken
from blockd.ruleset import Gate, Ruleset
from blockd.ruleset.versions.diff import Changes, Comparison
from blockd.settings import Feed, Settings
from blockd.transports.binding import Sockets
from tests.daemon.parts import ManualTime, SimulatedTests
from tests.worlds.sources import WorldSource

WORKER_PID = 10
SINKHOLE = Sinkhole("192.0.2.80", "2001:db8::80", 60)


class SharedGate:
    """A gate that was read once for all worlds."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    def gate(self) -> Gate:
        return self._gate

    def close(self) -> None:
        """Nothing was opened."""


class HereCompiler:
    """Compiles in this process as the child does: it amends if that is enough. `created` are times of the world."""

    def __init__(self, clock: ManualTime) -> None:
        self.reading = ""
        self._clock = clock

    def prepare(self) -> None:
        pass

    async def compile(self, job: Job, /) -> Built:
        created, in_force = int(self._clock.clock()), None
        if job.in_force is not None:
            amended = amend(
                job.candidates, job.in_force, job.path, reports=job.reports, held=job.held, gate=job.gate,
                created=created, randomness=os.urandom,
            )  # fmt: skip
            if amended is not None or job.amends:
                return amended or Built()
            ruleset = Ruleset.open(job.in_force, verify=False)
            in_force = ruleset.catalogue
            ruleset.close()
        return build(job.candidates, job.path, gate=job.gate, in_force=in_force, created=created, randomness=os.urandom)

    async def read(self, job: Job, /) -> Built:
        return read_alone(job.candidates[0], NoWatch(), gate=job.gate, created=int(self._clock.clock()))

    async def close(self) -> None:
        pass


class Worker:
    """The worker and the page process behind the channel: they enforce what they are told, as their processes do."""

    def __init__(
        self, settings: Settings, state: StateDir, counters: Counters, clock: ManualTime, page: PageProcess
    ) -> None:
        self.control: ControlProcess | None = None
        self.page = page
        self._state = state
        instruments = Instruments(clock.monotonic, clock.clock, counters.row(0))
        options = UpstreamOptions(1.0, 1, lambda _: 0)
        self.resolver = Resolver(
            engine_name(),
            Service(tuple(settings.clients.allow), SINKHOLE, False, None),
            CacheOptions(1 << 16, 3600, 3600, os.urandom(CACHE_SEED)),
            [Group(b"", ())],
            options,
            instruments,
        )

    def fileno(self) -> int:
        raise AssertionError("messages are handed over")

    def receive(self) -> list[Message] | None:
        raise AssertionError("messages are handed over")

    def send(self, message: Message, descriptor: int | None = None, /) -> None:
        self.enforce(int(message["enforce"]))
        assert self.control is not None
        self.control.heard({"worker": 0, "pid": WORKER_PID, "enforcing": message["enforce"]})

    def enforce(self, version: int) -> None:
        self.resolver.enforce(self._state.open(version))
        self.page.swap(self._state.open(version))


class Silent:
    """The channel of a page process that is told in this process what to enforce."""

    def fileno(self) -> int:
        raise AssertionError("nobody waits for messages here")

    def receive(self) -> list[Message] | None:
        raise AssertionError("messages are handed over")

    def send(self, message: Message, descriptor: int | None = None, /) -> None:
        pass


async def _counted(old: Path, new: Path) -> Changes:
    before, after = Ruleset.open(old), Ruleset.open(new)
    try:
        return Comparison(before, after).count()
    finally:
        before.close()
        after.close()


class CountedLog:
    """Counts what is written to an audit log, which is on disk a little later."""

    def __init__(self, log: AuditLog) -> None:
        last = read_head(log.folder)
        self.written = last.number if last else 0
        self._log, self._write = log, log.write
        setattr(log, "write", self._counted)  # noqa: B010 - mypy takes a method for what cannot be assigned to

    def wait(self) -> None:
        """Wait until all is on disk."""
        while self._log.head.number < self.written:
            time.sleep(0.0005)

    def _counted(self, *arguments: Any, **more: Any) -> None:
        self.written += 1
        self._write(*arguments, **more)


class Node:
    """A node in `folder`; `restart` ends its processes, and starts them again on what they have left."""

    def __init__(self, folder: Path, config: Mapping[str, Any], gate: Gate, clock: ManualTime) -> None:
        self.folder = folder
        self.time = clock
        self.settings = Settings.model_validate({"workers": 1, **config}, context={"folder": folder})
        self.sources: dict[str, WorldSource] = {}
        self._gate = gate

    async def start(self) -> None:
        """Start, with the last good version enforced if there is one."""
        settings, state = self.settings, StateDir(self.folder / "state")
        slots_path = state.folder / "hit-slots.json"
        slots_path.write_text("[]")
        slots = HitSlots.load(slots_path)
        version = state.last_good(slots, self.time.clock())
        slots.save()
        self.counters = Counters(1)
        shared = SharedContext(
            settings,
            Sockets(),
            state,
            self.counters,
            Traffic(1, bytes(16)),
            UpstreamTable(1),
            SelfTestKey(bytes(16)),
            LoopToken.make(os.urandom),
        )
        page = PageProcess(PageContext(shared, 1, version), Silent())
        self.worker = Worker(settings, state, self.counters, self.time, page)
        if version is not None:
            self.worker.enforce(version)
        config = self.folder / "blockd.yaml"
        config.write_text("feeds: []\n", encoding="ascii")
        running = ConfigWatch(settings, config, self.time.clock())
        context = ControlContext(
            shared, config, running, SharedGate(self._gate), version,
            {0: ProcessState(WORKER_PID, version or 0)}, announce=False, since=self.time.clock(),
        )  # fmt: skip
        environment = Environment(
            self.time.timing, self._source, HereCompiler(self.time), compare=_counted, self_tests=SimulatedTests
        )
        self.control = self.worker.control = ControlProcess(context, self.worker, environment)
        self.log = CountedLog(self.control.parts.audit)
        self.control.parts.recorder.begin(
            engine=engine_name(), config=running.digest, workers=1, restarted=version is not None
        )
        await self.control.parts.switcher.begin(version)

    async def stop(self) -> None:
        """End as after SIGTERM."""
        await self.control.parts.switcher.close()
        self.control.parts.recorder.end()
        if (enforced := self.control.parts.switcher.enforced) is not None:
            enforced.close()
        if (told := self.worker.page.enforced) is not None:
            told.close()
        self.worker.resolver.close()

    def pass_time(self, seconds: float) -> None:
        """Let time pass, and orders flip that are due, as the order clock has them."""
        self.time.now += seconds
        self.control.parts.order_clock._flip(self.time.clock(), self.control.parts.feeds.ends(self.time.clock()))

    def _source(self, feed: Feed, folder: Path, validators: Validators) -> FeedSource:
        if feed.is_own:
            return open_source(feed, folder, validators)
        source = self.sources[feed.name] = WorldSource(feed, folder, self.sources.get(feed.name))
        return source
