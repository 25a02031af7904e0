"""The messages of a worker that wait for upstreams in Python: how many there may be, and how many go on at once."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from blockd.resolver.places import Place, Places

AT_ONCE = 16  # messages that go on in one turn of the event loop, about 2 ms; sockets are read before the next ones
BUDGET = 0.003  # seconds after which no more of them go on in the same turn

TOO_MANY = "too many questions are waiting for upstreams"


class Turns:
    """Lets AT_ONCE messages go on in each turn of the event loop, in their order, and fewer if they take long.

    Without it, all messages that wait for a silent upstream would fail in the same turn, and nobody else would be
    answered in it.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._loop: asyncio.AbstractEventLoop | None = None
        self._left = AT_ONCE
        self._ends: float | None = None  # when this turn has taken its time; None before its first message
        self._queue: deque[asyncio.Future[None]] = deque()
        self._put_back: list[asyncio.Future[None]] = []  # let go on in this turn, which had no time for them
        self._scheduled = False

    async def take(self) -> None:
        """Return at once if this turn has room and time, else in a later one."""
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self._loop, self._left, self._ends, self._scheduled = loop, AT_ONCE, None, False
            self._queue.clear()
            self._put_back.clear()
        if self._left > 0 and not self._queue and not self._put_back and self._has_time():
            self._left -= 1
            self._schedule(loop)
            return
        later: asyncio.Future[None] = loop.create_future()
        self._queue.append(later)
        self._schedule(loop)
        await later
        while not self._has_time():
            later = loop.create_future()
            self._put_back.append(later)
            self._schedule(loop)
            await later

    def _has_time(self) -> bool:
        now = self._clock()
        if self._ends is None:
            self._ends = now + BUDGET
            return True
        return now < self._ends

    def _schedule(self, loop: asyncio.AbstractEventLoop) -> None:
        if not self._scheduled:
            self._scheduled = True
            loop.call_soon(self._begin, loop)

    def _begin(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin the next turn."""
        self._scheduled = False
        self._left, self._ends = AT_ONCE, None
        self._queue.extendleft(reversed(self._put_back))
        self._put_back.clear()
        while self._queue and self._left:
            later = self._queue.popleft()
            if not later.done():
                later.set_result(None)
                self._left -= 1
        if self._left < AT_ONCE:
            self._schedule(loop)


class Waiting:
    """The tasks of a worker's messages that wait, each of which delivers its answer; `Places` says who may have one."""

    def __init__(self) -> None:
        self.places = Places()

    def __len__(self) -> int:
        return len(self.places)

    def add(
        self,
        answering: Coroutine[Any, Any, bytes | None],
        give_up: Callable[[], bytes | None],
        deliver: Callable[[bytes | None], None],
        keys: Sequence[bytes] = (),
    ) -> asyncio.Task[None] | None:
        """Run a coroutine in a task of its own; `deliver` gets what it returns.

        If there is no place for it, `deliver` gets what `give_up` returns at once, and None is returned. The same
        becomes of a task whose place is lost for one that comes later.
        """
        if not self.places.make_room(keys):
            answering.close()
            deliver(give_up())
            return None
        task = asyncio.get_running_loop().create_task(_run(answering, deliver))

        def displace() -> None:
            if task.cancel():
                deliver(give_up())

        def leave(_: asyncio.Task[None]) -> None:
            answering.close()  # if it was displaced before it began
            self.places.leave(place)

        place = Place(keys, displace)
        self.places.take(place)
        task.add_done_callback(leave)
        return task


async def _run(answering: Coroutine[Any, Any, bytes | None], deliver: Callable[[bytes | None], None]) -> None:
    deliver(await answering)
