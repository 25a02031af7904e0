"""What keeps requests to the admin port from taking the control process's time from orders.

Handlers run in the event loop in which orders are taken and enforced. So requests that cost much take turns, and wait
while they have had half of the time lately; and beyond a number of requests a second each waits for its turn.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import math
from collections.abc import AsyncIterator, Awaitable, Callable

from aiohttp import web
from aiohttp.typedefs import Handler

from blockd.web.bounds.places import NoPlace, PlaceBounds, SharedPlaces

SHARE = 0.5  # of the time that costly requests may take, all together
BURST = 0.5  # seconds that they may take at once, after a time in which they took less
MAX_WAITING = 16  # costly requests that wait; of more the newest of the client that has most of them is refused
PATIENCE = 8.0  # seconds that one of them waits for
AT_ONCE = 4  # requests of a kind that wait for workers, so that they take no connections from clients
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
        self._places = SharedPlaces(_waiting(1), clock)
        self._credit = BURST  # seconds that may be taken at once
        self._earned = clock()  # when that was true

    @contextlib.asynccontextmanager
    async def turn(self, client: bytes) -> AsyncIterator[None]:
        """Wait for a turn; the time until the end of the context is what it costs. Raises TooManyRequests."""
        async with _place(self._places, client):
            self._earn()
            if self._credit < 0:
                await self._sleep(-self._credit / SHARE)
            start = self._clock()
            try:
                yield
            finally:
                self._earn()
                self._credit -= self._clock() - start

    def _earn(self) -> None:
        now = self._clock()
        self._credit = min(BURST, self._credit + (now - self._earned) * SHARE)
        self._earned = now


class RequestPace:
    """A pace of requests: `per_second`, once `burst` came at once. `clock` is monotonic, in seconds."""

    def __init__(
        self,
        clock: Callable[[], float],
        sleep: Sleep = asyncio.sleep,
        per_second: float | None = None,
        burst: int | None = None,
    ) -> None:
        self._interval = 1 / (per_second or PER_SECOND)
        self._ahead = (burst or BURST_OF_REQUESTS) * self._interval
        self._clock = clock
        self._sleep = sleep
        self._lock = asyncio.Lock()
        self._next = 0.0  # when a request would come that keeps the pace from the start of this burst on

    async def keep(self, is_gone: Callable[[], bool]) -> bool:
        """Wait until it is this request's turn, if many came before it; return whether its client is still there.

        `is_gone` tells that. One whose client has gone is passed over, so that those who ask and close their connection
        have nobody wait: there are as many turns to wait for as connections at most.
        """
        async with self._lock:
            if is_gone():
                return False
            now = self._clock()
            self._next = max(self._next, now - self._ahead) + self._interval
            if self._next > now:
                await self._sleep(self._next - now)
        return not is_gone()


ClientOf = Callable[[web.Request], bytes]
"""Returns by whom a request is, see `SharedPlaces.place`."""


def in_turn(turns: CostlyTurns, client_of: ClientOf) -> Callable[[Handler], Handler]:
    """Return what has handlers that compute take turns."""

    def wrapped(handler: Handler) -> Handler:
        @functools.wraps(handler)
        async def handle(request: web.Request) -> web.StreamResponse:
            async with turns.turn(client_of(request)):
                return await handler(request)

        return handle

    return wrapped


def few(handler: Handler, client_of: ClientOf) -> Handler:
    """Return a handler that waits for workers, with few requests at once."""
    places = SharedPlaces(_waiting(AT_ONCE))

    @functools.wraps(handler)
    async def handle(request: web.Request) -> web.StreamResponse:
        async with _place(places, client_of(request)):
            return await handler(request)

    return handle


def _waiting(at_once: int) -> PlaceBounds:
    return PlaceBounds(at_once, math.inf, MAX_WAITING, PATIENCE, displaces=False)


@contextlib.asynccontextmanager
async def _place(places: SharedPlaces, client: bytes) -> AsyncIterator[None]:
    try:
        async with places.place(client):
            yield
    except NoPlace:
        raise TooManyRequests from None
