"""Forwarding into the cache: what upstreams say is kept, also if nobody waits for it any longer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from blockd.metrics import Row
from blockd.resolver.cache import Cache, Cached, CacheKey
from blockd.resolver.response import Response

MAX_REFRESHES = 1024  # at once, an eighth of the questions that may be asked at once: clients' own come first


class UpstreamAsker(Protocol):
    """Asks upstreams, see `Forwarder`."""

    async def resolve(self, key: CacheKey) -> Response:
        """Return the upstreams' response; raises UpstreamFailure."""


class CachingForwarder:
    """Asks upstreams through `forwarder` and keeps their responses in `cache`, once for all who ask the same."""

    def __init__(self, forwarder: UpstreamAsker, cache: Cache, clock: Callable[[], float], row: Row) -> None:
        self._forwarder = forwarder
        self._cache = cache
        self._clock = clock
        self._row = row
        self._asking: dict[CacheKey, tuple[asyncio.Task[Cached], float]] = {}  # with the loop's time of their start
        self._refreshing: set[CacheKey] = set()

    def get(self, key: CacheKey) -> Cached | None:
        """Return the entry that is fresh, None if there is none; ask for it anew if that is due."""
        now = self._clock()
        entry = self._cache.get(key, now)
        if entry is not None and self._cache.claims_refresh(entry, now):
            self.refresh(key)
        return entry

    async def resolve(self, key: CacheKey, patience: float | None = None) -> Cached | None:
        """Return what upstreams say, as it was kept; raises UpstreamFailure.

        None if they have not answered within `patience` seconds of the moment at which they were first asked; their
        answer is still kept when it comes.
        """
        task, begun = self._asked(key)
        if patience is None:
            return await asyncio.shield(task)
        left = begun + patience - asyncio.get_running_loop().time()
        done, _ = await asyncio.wait((task,), timeout=max(left, 0))
        return task.result() if done else None

    def refresh(self, key: CacheKey) -> None:
        """Ask for an entry anew, for nobody; do nothing if that is being done, or too much of it."""
        if key in self._asking or len(self._refreshing) >= MAX_REFRESHES:
            return
        self._row.cache_refresh()
        self._refreshing.add(key)
        self._asked(key)

    def _asked(self, key: CacheKey) -> tuple[asyncio.Task[Cached], float]:
        asked = self._asking.get(key)
        if asked is None:
            task = asyncio.create_task(self._ask(key))
            asked = self._asking[key] = task, asyncio.get_running_loop().time()
            task.add_done_callback(lambda done: self._ended(key, done))
        return asked

    async def _ask(self, key: CacheKey) -> Cached:
        response = await self._forwarder.resolve(key)
        return self._cache.put(key, response, self._clock())

    def _ended(self, key: CacheKey, task: asyncio.Task[Cached]) -> None:
        del self._asking[key]
        self._refreshing.discard(key)
        if not task.cancelled():
            task.exception()  # retrieved here, as perhaps nobody waits for it
