"""The messages of a worker that wait for upstreams in Python: how many there may be, and how many go on at once."""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Literal

MAX_WAITING = 500  # messages of a worker, over all transports; one more is answered with SERVFAIL at once
AT_ONCE = 16  # messages that go on in one turn of the event loop, about 2 ms; sockets are read before the next ones
BUDGET = 0.003  # seconds after which no more of them go on in the same turn

Key = bytes | tuple[Literal["domain"], bytes]  # of a client, see `keys_of`, or of a registered domain

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
    """The tasks of a worker's messages that wait, each of which delivers its answer.

    An address, the network that it is in, and the domain that is asked for may each have as many of them as there are
    places free: alone it gets half of all, and however many have what they may, there is room for a newcomer. So a
    domain whose servers are silent keeps no other name from being asked for, whoever asks for it.
    """

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()
        self._counts: Counter[Key] = Counter()  # for as long as there are any

    def __len__(self) -> int:
        return len(self._tasks)

    def has_room(self, keys: Sequence[Key] = ()) -> bool:
        """Return whether one more may wait that is counted under these keys."""
        free = MAX_WAITING - len(self._tasks)
        return free > 0 and all(self._counts.get(key, 0) < free for key in keys)

    def add(
        self,
        answering: Coroutine[Any, Any, bytes | None],
        deliver: Callable[[bytes | None], None],
        keys: Sequence[Key] = (),
    ) -> asyncio.Task[None]:
        """Run a coroutine in a task of its own; `deliver` gets what it returns."""
        task = asyncio.get_running_loop().create_task(_run(answering, deliver))
        self._tasks.add(task)
        self._counts.update(keys)

        def leave(task: asyncio.Task[None]) -> None:
            self._tasks.discard(task)
            for key in keys:
                self._counts[key] -= 1
                if not self._counts[key]:
                    del self._counts[key]

        task.add_done_callback(leave)
        return task


async def _run(answering: Coroutine[Any, Any, bytes | None], deliver: Callable[[bytes | None], None]) -> None:
    deliver(await answering)
