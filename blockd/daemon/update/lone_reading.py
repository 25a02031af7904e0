"""Contents that take long to be read are read by themselves first, so that no other feed's news wait for them.

What is read within its budget, and passes the gate, is compiled after the news of others. Everything else is refused
alone. The next content of such a feed is read by itself at once, until one was read as quickly as those of others. A
reading that fails by no fault of the content is tried again, ever later.
"""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from blockd.compile.built import Built
from blockd.compile.spending import KILLED_BY
from blockd.daemon.processes.progress import STUCK
from blockd.daemon.timing import Timing
from blockd.daemon.update.compile_child import Ended, Job, RulesetCompiler
from blockd.daemon.update.feed_set import FeedSet
from blockd.daemon.update.managed_feed import ManagedFeed
from blockd.daemon.update.retries import retry_after
from blockd.errors import BlockdError, FeedRefused, cause_of
from blockd.feeds.budget import SLICE, Spent, over_time
from blockd.feeds.candidate import Candidate
from blockd.feeds.fetched import Fetched

FROM_OUTSIDE = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)  # they say nothing of what was read
MOST_KILLED = 3  # attempts that end so until the content is refused: memory that is short is found in the same way

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Outcomes:
    """What is called with the result: once a content may be compiled, or is refused."""

    read: Callable[[], None]
    refused: Callable[[ManagedFeed, Fetched, FeedRefused, Built], None]


@dataclass(slots=True)
class _Reading:
    """A content that is read; `tried` is set once it is known what came of it, or at least of the first attempt."""

    task: asyncio.Task[None]
    tried: asyncio.Event = field(default_factory=asyncio.Event)


class LoneReading:
    """The contents that are read by themselves, at most one of each feed; `job_of` returns what has one read.

    Three are read at the same time at most, since each may take all the memory of its budget: one in its first SLICE
    seconds of the processor, so that it does not wait for those that take longer, one of those, and one that is urgent.
    """

    def __init__(
        self,
        feeds: FeedSet,
        compiler: RulesetCompiler,
        job_of: Callable[[Sequence[Candidate]], Job],
        outcomes: Outcomes,
        timing: Timing,
    ) -> None:
        self._feeds = feeds
        self._compiler = compiler
        self._job_of = job_of
        self._outcomes = outcomes
        self._timing = timing
        self._readings: dict[str, _Reading] = {}
        self._first, self._longer, self._urgent = (asyncio.Semaphore(1) for _ in range(3))

    def begin(self, name: str, fetched: Fetched) -> None:
        """Read a content, in place of an earlier one of the same feed."""
        self.drop(name)
        managed = self._feeds[name]
        managed.is_slow = True
        with managed.own_trouble():
            managed.state.read_alone(fetched)
            self._readings[name] = _Reading(asyncio.create_task(self._read(name, managed)))

    def drop(self, name: str) -> None:
        """Forget the content of a feed that is being read, if there is one: it is no longer the newest."""
        reading = self._readings.pop(name, None)
        if reading is not None:
            reading.task.cancel()
            reading.tried.set()
        self._feeds[name].state.drop_read()

    async def wait(self, names: set[str]) -> bool:
        """Wait for the readings of feeds, but not until one that has failed is tried again; return whether any are."""
        readings = [reading for name, reading in self._readings.items() if name in names]
        for reading in readings:
            await reading.tried.wait()
        return bool(readings)

    async def close(self) -> None:
        """End all of it."""
        tasks = [reading.task for reading in self._readings.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _read(self, name: str, managed: ManagedFeed) -> None:
        reading = self._readings[name]
        try:
            await self._read_until_known(name, managed, reading)
        finally:
            reading.tried.set()

    async def _read_until_known(self, name: str, managed: ManagedFeed, reading: _Reading) -> None:
        fetched = managed.state.reading
        assert fetched is not None  # noqa: S101 - `begin` has set it
        candidate = self._feeds.candidate(name, replace(fetched, read_alone=True))
        failures = 0
        while (built := await self._attempt(managed, candidate, failures)) is None:
            reading.tried.set()
            await self._timing.sleep(retry_after(failures))
            failures += 1
        del self._readings[name]
        managed.note_spent(built.spent.get(name), is_refused=name in built.refused)
        if name in built.refused:
            self._outcomes.refused(managed, fetched, built.refused[name], built)
        else:
            managed.put_back(replace(fetched, read_alone=True))
            self._outcomes.read()

    async def _attempt(self, managed: ManagedFeed, candidate: Candidate, failures: int) -> Built | None:
        """Return what came of reading a content; None if that failed, which is told, but not by its fault."""
        content, budget, name = candidate.incoming, candidate.budget, candidate.feed.name
        assert content is not None  # noqa: S101 - it is read
        try:
            return await self._built(managed, candidate)
        except Ended as ended:
            is_killed = not ended.is_stuck and ended.number in FROM_OUTSIDE and failures + 1 < MOST_KILLED
            if not ended.is_stuck and not is_killed:
                spent = Spent(budget.seconds) if budget is not None and ended.number == KILLED_BY else None
                if spent is None or budget is None:
                    return Built(refused={name: _ended(content.shown, ended)})
                return Built(refused={name: over_time(content.shown, spent, budget)}, spent={name: spent})
            how = f"was ended by signal {ended.number}" if is_killed else f"stood still for {STUCK:.0f} s and was ended"
            why = f"The process that read {content.shown}, and nothing else, {how}"
        except (BlockdError, OSError) as error:
            why = f"{content.shown} could not be read: {cause_of(error)}"
        managed.note_failure(f"{why}. Nothing of it is taken; it is tried again in {retry_after(failures):,.0f} s.")
        return None

    async def _built(self, managed: ManagedFeed, candidate: Candidate) -> Built:
        """Read a content, in its first slice of time, and if that is not enough with all the time of its budget."""
        if managed.source.feed.is_urgent or candidate.budget is None:
            async with self._urgent:
                return await self._compiler.read(self._job_of([candidate]))
        async with self._first:
            sliced = replace(candidate, budget=replace(candidate.budget, patience=SLICE))
            built = await self._compiler.read(self._job_of([sliced]))
        if candidate.feed.name not in built.slow:
            return built
        async with self._longer:
            return await self._compiler.read(self._job_of([candidate]))


def _ended(shown: str, ended: Ended) -> FeedRefused:
    how = f"was ended by signal {ended.number}" if ended.number else "ended without a result"
    return FeedRefused(
        "budget",
        f"The process that read {shown}, and nothing else, {how}: nothing of it is taken. The log of the kernel says "
        "whether memory was short; else please report it with the list.",
    )
