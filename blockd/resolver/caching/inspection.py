"""Looking into the caches of a worker and removing what is in them, a bounded part at a time.

Between two parts the event loop gets its turn, so that no question waits for a search, whatever the caches hold.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from blockd.metrics import Row
from blockd.resolver.cache import Cached, CacheKey


@dataclass(frozen=True, slots=True)
class RememberedFailure:
    """A question that upstreams failed to answer, which is not asked again before `until` (monotonic seconds)."""

    key: CacheKey
    until: float
    why: str


class SearchableCache(Protocol):
    """A cache, see `blockd.resolver.cache.Cache`."""

    def peek(self, key: CacheKey, /) -> Cached | None:
        """Return an entry, fresh or expired."""

    def remove(self, key: CacheKey, /) -> bool:
        """Remove an entry; return whether there was one."""

    def search(self, name: bytes, /, *, below: bool) -> Iterator[list[CacheKey]]:
        """Yield the keys of a name's entries, and with `below` of those under it, a part of the cache each."""


class FailureMemory(Protocol):
    """The memory of failures (RFC 9520)."""

    def failures(self, name: bytes, /, *, below: bool) -> Iterator[list[RememberedFailure]]:
        """Yield the failures of a name's questions, and with `below` of those under it, a part of the memory each."""

    def forget(self, key: CacheKey, /) -> None:
        """Forget a failure, so that the question is asked again."""


@dataclass(frozen=True, slots=True)
class Flushed:
    """How many entries and remembered failures were removed."""

    entries: int
    failures: int


@dataclass(frozen=True, slots=True)
class NameCached:
    """What is cached of one name: its entries, each with its key, and its remembered failures."""

    entries: tuple[tuple[CacheKey, Cached], ...]
    failures: tuple[RememberedFailure, ...]


class CacheInspector:
    """Looks into `caches`, of which the one that is asked first comes first, and into the memory of failures."""

    def __init__(self, caches: Sequence[SearchableCache], memory: FailureMemory, row: Row) -> None:
        self._caches = caches
        self._memory = memory
        self._row = row

    async def flush(self, name: bytes, *, below: bool) -> Flushed:
        """Remove what is cached of a name, by its key, and with `below` of every name under it."""
        removed = 0
        for cache in self._caches:
            for keys in cache.search(name, below=below):
                for key in keys:
                    removed += cache.remove(key)
                await asyncio.sleep(0)
        forgotten = 0
        for failures in self._memory.failures(name, below=below):
            for failure in failures:
                self._memory.forget(failure.key)
            forgotten += len(failures)
            await asyncio.sleep(0)
        self._row.cache_flushed(removed)
        return Flushed(removed, forgotten)

    async def cached(self, name: bytes) -> NameCached:
        """Return what is cached of a name, by its key."""
        entries: dict[CacheKey, Cached] = {}
        for cache in self._caches:
            for keys in cache.search(name, below=False):
                for key in keys:
                    entry = cache.peek(key)
                    if entry is not None:
                        entries.setdefault(key, entry)
                await asyncio.sleep(0)
        found = tuple(sorted(entries.items(), key=lambda item: item[0]))
        failures: list[RememberedFailure] = []
        for part in self._memory.failures(name, below=False):
            failures += part
            await asyncio.sleep(0)
        return NameCached(found, tuple(sorted(failures, key=lambda failure: failure.key)))

    async def failing(self, most: int) -> tuple[list[RememberedFailure], int]:
        """Return the failures that are remembered longest, at most so many, and how many there are beside these."""
        found: list[RememberedFailure] = []
        count = 0
        for failures in self._memory.failures(b"", below=True):
            count += len(failures)
            found = heapq.nlargest(most, [*found, *failures], key=lambda failure: failure.until)
            await asyncio.sleep(0)
        return found, count - len(found)
