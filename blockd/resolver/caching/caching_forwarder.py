"""Forwarding into the cache: what upstreams say is kept, also if nobody waits for it any longer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from blockd.metrics import Row
from blockd.resolver.cache import Cache, Cached, CacheKey
from blockd.resolver.forwarding.failures import Failure
from blockd.resolver.response import Response

MAX_REFRESHES = 1024  # questions in flight from which on none is added, an eighth of the most: clients' come first


def nothing() -> None:
    """Do nothing: nobody needs to know."""


Asked = asyncio.Task[Cached | Failure]


class UpstreamAsker(Protocol):
    """Asks upstreams, see `Forwarder`."""

    @property
    def in_flight(self) -> int:
        """How many questions are waiting for upstreams."""

    async def resolve(
        self, key: CacheKey, begun: Callable[[], object] = nothing, asker: bytes = b""
    ) -> Response | Failure:
        """Return the upstreams' response, or why there is none.

        A failure is a value and no exception: that would hold a traceback with all its frames, which hold it in turn.
        `begun` is called if it is asked or waited for, and not known already that there is none. `asker` is who asks,
        see `Floods`.
        """


class CachingForwarder:
    """Asks upstreams through `forwarder` and keeps their responses in `cache`, once for all who ask the same."""

    def __init__(self, forwarder: UpstreamAsker, cache: Cache, clock: Callable[[], float], row: Row) -> None:
        self._forwarder = forwarder
        self._cache = cache
        self._clock = clock
        self._row = row
        self._asking: dict[CacheKey, tuple[Asked, float]] = {}  # with the loop's time of their start

    def get(self, key: CacheKey, *, refreshes: bool = True) -> Cached | None:
        """Return the entry that is fresh, None if there is none; ask for it anew if that is due and `refreshes`."""
        now = self._clock()
        entry = self._cache.get(key, now)
        if entry is not None and refreshes and not self._is_busy and self._cache.claims_refresh(entry, now):
            self._refresh(key)
        return entry

    async def resolve(
        self, key: CacheKey, patience: float | None = None, asker: bytes = b""
    ) -> Cached | Failure | None:
        """Return what upstreams say, as it was kept, or why they say nothing.

        None if they have not answered within `patience` seconds of the moment at which they were first asked; their
        answer is still kept when it comes.
        """
        task, begun = self._asked(key, asker=asker)
        if patience is None:
            return await asyncio.shield(task)
        left = begun + patience - asyncio.get_running_loop().time()
        done, _ = await asyncio.wait((task,), timeout=max(left, 0))
        return task.result() if done else None

    @property
    def _is_busy(self) -> bool:
        return max(len(self._asking), self._forwarder.in_flight) >= MAX_REFRESHES

    def _refresh(self, key: CacheKey) -> None:
        """Ask for an entry anew, for nobody; do nothing if that is being done."""
        if key not in self._asking:
            self._asked(key, self._row.cache_refresh)

    def _asked(self, key: CacheKey, begun: Callable[[], object] = nothing, asker: bytes = b"") -> tuple[Asked, float]:
        asked = self._asking.get(key)
        if asked is None:
            task = asyncio.create_task(self._ask(key, begun, asker))
            asked = self._asking[key] = task, asyncio.get_running_loop().time()
            task.add_done_callback(lambda done: self._ended(key, done))
        return asked

    async def _ask(self, key: CacheKey, begun: Callable[[], object], asker: bytes) -> Cached | Failure:
        outcome = await self._forwarder.resolve(key, begun, asker)
        return outcome if isinstance(outcome, Failure) else self._cache.put(key, outcome, self._clock())

    def _ended(self, key: CacheKey, task: Asked) -> None:
        del self._asking[key]
        if not task.cancelled():
            task.exception()  # retrieved here, as perhaps nobody waits for it
