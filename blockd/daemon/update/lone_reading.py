"""Contents that take long to be read are read by themselves first, so that no other feed's news wait for them.

What is read within its budget is compiled with the next news. Everything else is refused alone. The next content of
such a feed is read by itself at once, until one was read as quickly as those of others.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace

from blockd.compile.build import Built
from blockd.compile.spending import KILLED_BY
from blockd.daemon.update.compile_child import Ended, RulesetCompiler
from blockd.daemon.update.feed_set import FeedSet
from blockd.daemon.update.managed_feed import ManagedFeed
from blockd.errors import BlockdError, FeedRefused
from blockd.feeds.budget import Spent, over_time
from blockd.feeds.fetched import Fetched

AT_ONCE = 2  # contents that are read at the same time: each may take all the memory of its budget


@dataclass(frozen=True, slots=True)
class Outcomes:
    """What is called with the result: once a content may be compiled, is refused, or could not be read by our fault."""

    read: Callable[[], None]
    refused: Callable[[ManagedFeed, Fetched, FeedRefused], None]
    failed: Callable[[ManagedFeed, Fetched, str], None]


class LoneReading:
    """The contents that are read by themselves, at most one of each feed."""

    def __init__(self, feeds: FeedSet, compiler: RulesetCompiler, outcomes: Outcomes) -> None:
        self._feeds = feeds
        self._compiler = compiler
        self._outcomes = outcomes
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._places = asyncio.Semaphore(AT_ONCE)

    def begin(self, name: str, fetched: Fetched) -> None:
        """Read a content, in place of an earlier one of the same feed."""
        self.drop(name)
        managed = self._feeds[name]
        managed.is_slow = True
        managed.state.read_alone(fetched)
        self._tasks[name] = asyncio.create_task(self._read(name, managed))

    def drop(self, name: str) -> None:
        """Forget the content of a feed that is being read, if there is one: it is no longer the newest."""
        task = self._tasks.pop(name, None)
        if task is not None:
            task.cancel()
        self._feeds[name].state.drop_read()

    async def wait(self, names: set[str]) -> bool:
        """Wait for the readings of feeds; return whether there were any."""
        tasks = [task for name, task in self._tasks.items() if name in names]
        if tasks:
            await asyncio.wait(tasks)
        return bool(tasks)

    async def close(self) -> None:
        """End all of it."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _read(self, name: str, managed: ManagedFeed) -> None:
        fetched = managed.state.reading
        assert fetched is not None  # noqa: S101 - `begin` has set it
        candidate = self._feeds.candidate(name, replace(fetched, read_alone=True))
        try:
            async with self._places:
                built = await self._compiler.read(candidate)
        except Ended as ended:
            built = Built(refused={name: _ended(candidate.incoming.shown if candidate.incoming else name, ended)})
            if ended.number == KILLED_BY and candidate.budget is not None:
                spent = Spent(candidate.budget.seconds)
                built.spent[name] = spent
                shown = candidate.incoming.shown if candidate.incoming else name
                built.refused[name] = over_time(shown, spent, candidate.budget)
        except (BlockdError, OSError) as error:
            self._tasks.pop(name, None)
            managed.state.reading = None
            self._outcomes.failed(managed, fetched, str(error))
            return
        self._tasks.pop(name, None)
        managed.state.reading = None
        managed.note_spent(built.spent.get(name))
        if name in built.refused:
            self._outcomes.refused(managed, fetched, built.refused[name])
            return
        managed.state.put_back(replace(fetched, read_alone=True))
        self._outcomes.read()


def _ended(shown: str, ended: Ended) -> FeedRefused:
    how = f"was ended by signal {ended.number}" if ended.number else "ended without a result"
    return FeedRefused(
        "budget",
        f"The process that read {shown}, and nothing else, {how}: nothing of it is taken. The log of the kernel says "
        "whether memory was short; else please report it with the list.",
    )
