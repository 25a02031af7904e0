"""A switcher, an updater and overrides on one state folder: no process, no socket, and a time that is handed in."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from blockd.compile.built import Built
from blockd.daemon.hit_slots import HitSlots
from blockd.daemon.operator.overrides import OverrideService
from blockd.daemon.ruleset_switcher import RulesetSwitcher
from blockd.daemon.state_dir import StateDir
from blockd.daemon.switching import Store, WorkerLink
from blockd.daemon.update.compile_child import Compiling, Job
from blockd.daemon.update.current_gate import CurrentGate
from blockd.daemon.update.feed_set import FeedSet
from blockd.daemon.update.updater import Updater
from blockd.daemon.workers import Workers
from blockd.feeds.fetched import Validators
from blockd.feeds.kinds import open_source
from blockd.feeds.overrides.file import FILE, KEPT
from blockd.feeds.source import FeedSource
from blockd.resolver import SelfTestKey
from blockd.ruleset import Gate
from blockd.ruleset.gate.guard import Guard
from blockd.ruleset.versions.diff import Changes
from blockd.ruleset.versions.keeping import Retention
from blockd.settings import Feed, OverridesFeed, Settings
from blockd.settings.feeds import OVERRIDES
from blockd.times import time_text
from tests.daemon.parts import LocalCompiler, ManualTime, SimulatedTests, Sources, WorkerSimulator, blocked, domains
from tests.daemon.parts import recorded as recorded_in_memory

DAY = 86400
RETENTION = Retention(5, 1 << 40, frozenset({OVERRIDES}))
GATE = Gate(max_shrink=100, min_names=0)


class _Compiler(LocalCompiler):
    """Counts no changes, for which it would need a process."""

    async def compile(self, job: Job, /) -> Built:
        built = await super().compile(job)
        built.changes = Changes(0, 0, 0)
        return built


class Node:
    """A daemon's parts on a folder; `restart` ends them and begins anew, as a start does."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.time = ManualTime(1_000_000_000.0)
        self.sources = Sources(self.time)
        self.state = StateDir(folder)
        self._load()

    def _load(self) -> None:
        own, timing = OverridesFeed(path=self.folder / FILE), self.time.timing
        feeds = [domains("national"), own]

        def source(feed: Feed, folder: Path, validators: Validators) -> FeedSource:
            return (open_source if feed.is_own else self.sources)(feed, folder, validators)

        self.feeds = FeedSet.load(feeds, self.state.feed_folder, GATE, timing, source)
        self.workers = Workers(1, {0: 10})
        self.tests = SimulatedTests(Settings(), SelfTestKey(bytes(16)))
        self.recorder, self.log = recorded_in_memory(self.folder, feeds, self.time)
        slots = HitSlots(self.folder / "hit-slots.json")
        self.channel = WorkerSimulator(self.workers)
        self.switcher = RulesetSwitcher(
            Store(self.state, slots, RETENTION), WorkerLink(self.workers, self.channel), self.feeds, self.tests,
            self.recorder, timing,
        )  # fmt: skip
        compiling = Compiling(CurrentGate(GATE), self.folder / "compiled", _Compiler(self.time))
        self.updater = Updater(self.feeds, compiling, self.switcher, self.recorder, timing)
        self.overrides = OverrideService(
            own.path, "Operator", self.recorder, self.updater, self.switcher, Guard(), self.time.clock
        )
        self._slots = slots

    async def restart(self) -> None:
        """End without a word, and begin anew from the folder."""
        self.close()
        self._load()
        version = self.state.last_good(self._slots, self.time.clock())
        if version is not None:
            self.channel.send({"enforce": version})
        await self.switcher.begin(version)
        self.updater.begin()
        await self.updater.refresh([*self.feeds])

    async def publish(self, *names: str) -> None:
        """Have the list be these names, and polled."""
        self.sources["national"].give(*names)
        await self.updater.refresh(["national"])

    async def override(self, name: str, seconds: float = DAY) -> str:
        """Override a name; return the outcome."""
        until = time_text(self.time.clock() + seconds)
        return (await self.overrides.add({"name": name, "reason": "why", "until": until})).outcome.outcome

    async def end(self, name: str) -> str:
        """End an override; return the outcome."""
        return (await self.overrides.end({"name": name, "reason": "why"})).outcome.outcome

    async def forget(self) -> None:
        """Let the time pass until ended overrides are dropped from the file by the next change."""
        self.time.now += KEPT + 2 * DAY

    def blocked(self, *names: str) -> list[str]:
        return blocked(self.switcher.enforced, *names)

    def holding(self) -> dict[str, bool]:
        """Return which overrides the status says hold."""
        return {status.override.name: status.in_force for status in self.overrides.current()}

    def close(self) -> None:
        if self.switcher.enforced is not None:
            self.switcher.enforced.close()


Check = Callable[[Node], Coroutine[Any, Any, None]]


def run(folder: Path, check: Check) -> None:
    """Run a check on a new node in `folder`."""
    node = Node(folder)

    async def closed() -> None:
        try:
            await check(node)
        finally:
            await node.switcher.close()

    try:
        asyncio.run(closed())
    finally:
        node.close()
