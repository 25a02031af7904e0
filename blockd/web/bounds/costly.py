"""What keeps requests to the admin port from taking the control process's time from orders.

Handlers run in the event loop in which orders are taken and enforced. So requests that cost much take turns, and wait
while they have had half of the time lately; and beyond a number of requests a second each waits for its turn.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import AsyncIterator, Awaitable, Callable

from aiohttp import web
from aiohttp.typedefs import Handler

SHARE = 0.5  # of the time that costly requests may take, all together
BURST = 0.5  # seconds that they may take at once, after a time in which they took less
MAX_WAITING = 16  # costly requests that wait; those beyond are refused
PER_SECOND = 200  # requests of any kind, once BURST_OF_REQUESTS came at once
BURST_OF_REQUESTS = 100

Sleep = Callable[[float], Awaitable[None]]


class TooManyRequests(Exception):
    """More requests wait than may."""


class CostlyTurns:
    """The turns of requests whose handlers compute for long; `clock` is monotonic, in seconds."""

    def __init__(self, clock: Callable[[], float], sleep: Sleep = asyncio.sleep) -> None:
        self._clock = clock
        self._sleep = sleep
        self._lock = asyncio.Lock()
        self._waiting = 0
        self._credit = BURST  # seconds that may be taken at once
        self._earned = clock()  # when that was true

    @contextlib.asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for a turn; the time until the end of the context is what it costs. Raises TooManyRequests."""
        if self._waiting >= MAX_WAITING:
            raise TooManyRequests
        self._waiting += 1
        try:
            async with self._lock:
                self._earn()
                if self._credit < 0:
                    await self._sleep(-self._credit / SHARE)
                start = self._clock()
                try:
                    yield
                finally:
                    self._earn()
                    self._credit -= self._clock() - start
        finally:
            self._waiting -= 1

    def _earn(self) -> None:
        now = self._clock()
        self._credit = min(BURST, self._credit + (now - self._earned) * SHARE)
        self._earned = now


class RequestPace:
    """The pace of all requests; `clock` is monotonic, in seconds."""

    def __init__(self, clock: Callable[[], float], sleep: Sleep = asyncio.sleep) -> None:
        self._clock = clock
        self._sleep = sleep
        self._next = 0.0  # when a request would come that keeps the pace from the start of this burst on

    async def keep(self) -> None:
        """Return at once, or when it is this request's turn if too many came before it."""
        now = self._clock()
        self._next = max(self._next, now - BURST_OF_REQUESTS / PER_SECOND) + 1 / PER_SECOND
        if self._next > now:
            await self._sleep(self._next - now)


def in_turn(turns: CostlyTurns) -> Callable[[Handler], Handler]:
    """Return what has handlers that compute take turns."""

    def wrapped(handler: Handler) -> Handler:
        @functools.wraps(handler)
        async def handle(request: web.Request) -> web.StreamResponse:
            async with turns.turn():
                return await handler(request)

        return handle

    return wrapped


def few(handler: Handler) -> Handler:
    """Return a handler that waits for workers, with few requests at once."""
    at_once = 0

    @functools.wraps(handler)
    async def handle(request: web.Request) -> web.StreamResponse:
        nonlocal at_once
        if at_once >= MAX_WAITING:
            raise TooManyRequests
        at_once += 1
        try:
            return await handler(request)
        finally:
            at_once -= 1

    return handle
