"""An updater with all that it needs, none of which is a process, a socket or this machine's clock."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any, Protocol

from blockd.compile.news import News
from blockd.daemon.update.compile_child import Compiling
from blockd.daemon.update.current_gate import CurrentGate
from blockd.daemon.update.disk_room import DiskRoom
from blockd.daemon.update.updater import GATHERING, Updater
from blockd.errors import RulesetError
from blockd.feeds.fetched import Fetched
from blockd.names import key_from_text
from blockd.ruleset import Gate, Ruleset
from blockd.settings import Feed
from tests.daemon.parts import INTERVAL, LocalCompiler, ManualTime, Sources, domains, feed_set, recorded

MOMENT = 0.001  # seconds: more than sums of seconds since the epoch are rounded by


class Rulesets:
    """An enforcement that keeps every ruleset, and counts the renewals of ends."""

    def __init__(self, folder: Path) -> None:
        self.kept: list[Ruleset] = []
        self.ruleset: Ruleset | None = None
        self.is_held = False
        self.renewals = 0
        self.failure = ""
        self._folder = folder

    @property
    def version(self) -> int | None:
        return self.kept.index(self.ruleset) + 1 if self.ruleset else None

    def dates_changed(self) -> None:
        self.renewals += 1

    async def enforce(self, news: News, /) -> bool:
        if self.failure:
            raise RulesetError(self.failure)
        if self.is_held:
            return False
        path = news.compiled.rename(self._folder / f"{len(self.kept) + 1}.ruleset")
        self.ruleset = Ruleset.open(path)
        self.kept.append(self.ruleset)
        return True

    async def amend(self, fetched: Fetched | None, /) -> bool:
        return self.is_held

    async def recall(self, content: str, /) -> bool:
        for ruleset in self.kept if not self.is_held else []:
            if ruleset.catalogue.made_from == content and ruleset is not self.ruleset:
                self.ruleset = ruleset
                return True
        return False

    def close(self) -> None:
        for ruleset in self.kept:
            ruleset.close()


class Rig:
    """An updater with all that it needs, in `folder`."""

    def __init__(self, folder: Path, *feeds: Feed) -> None:
        self.folder = folder
        self.time = ManualTime()
        self.sources = Sources(self.time)
        self.compiler = LocalCompiler(self.time)
        self.rulesets = Rulesets(folder)
        self.feeds = feed_set(folder, feeds, self.time, self.sources)
        self.recorder, self.log = recorded(folder, feeds, self.time)
        self.gate = CurrentGate(Gate())
        compiling = Compiling(self.gate, folder / "compiled", self.compiler)
        self.updater = Updater(self.feeds, compiling, self.rulesets, self.recorder, self.time.timing)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run the updater, and end it as the control process does."""
        task = asyncio.create_task(self.updater.run())
        await self.time.settle()
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def use_room(self, room: DiskRoom) -> None:
        """Have an updater that asks `room` what may be kept."""
        compiling = Compiling(self.gate, self.folder / "compiled", self.compiler, room)
        self.updater = Updater(self.feeds, compiling, self.rulesets, self.recorder, self.time.timing)

    async def compiled(self) -> None:
        """Let the time pass in which news are gathered."""
        await self.time.advance(GATHERING)

    async def next_look(self) -> None:
        """Let the time pass until the next look, and what comes of it."""
        await self.time.advance(INTERVAL)
        await self.compiled()

    async def until_polled(self, name: str) -> None:
        """Let the time pass until a feed's next poll, as its schedule says."""
        at = self.feeds[name].schedule.next_poll
        assert at is not None
        await self.time.advance(at - self.time.now + MOMENT)

    def blocked(self, *names: str) -> list[str]:
        """Return those of the names that are in the ruleset in force."""
        ruleset = self.rulesets.ruleset
        return [name for name in names if ruleset is not None and ruleset.claims(key_from_text(name))]

    def refusals(self, name: str) -> dict[str, int]:
        """Return how often a feed was refused, by reason."""
        return dict(self.feeds[name].refused)


Check = Callable[[Rig], Coroutine[Any, Any, None]]


class Run(Protocol):
    """Runs a check on an updater of the feeds, which are `national` if none is named."""

    def __call__(self, check: Check, *feeds: Feed) -> None: ...


def runner(folder: Path) -> Run:
    """Return what runs checks in `folder`."""

    def run(check: Check, *feeds: Feed) -> None:
        rig = Rig(folder, *(feeds or (domains("national"),)))
        try:
            asyncio.run(check(rig))
        finally:
            rig.rulesets.close()

    return run
