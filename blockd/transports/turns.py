"""Whose turn it is: connections handle their messages in their order, for some milliseconds in each turn of the loop.

So any number of connections that send as much as they can delay neither UDP nor each other by more.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import Protocol

BUDGET = 0.003  # seconds of one turn of the event loop


class TurnTaker(Protocol):
    """A connection that may have messages to handle."""

    def work(self, has_time: Callable[[], bool]) -> bool:
        """Handle messages, at least one, as long as there is time; return whether some are left for a later turn."""


class TakingTurns:
    """Lets connections work within BUDGET seconds of each turn of the event loop, in the order in which they ask."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._ends: float | None = None  # of the current turn, None if nobody has worked in it
        self._queue: deque[TurnTaker] = deque()
        self._scheduled = False

    def ask(self, taker: TurnTaker) -> bool:
        """Let a connection work at once if nobody is before it; return whether it is left for a later turn."""
        if not self._queue and self.has_time() and not taker.work(self.has_time):
            return False
        self._queue.append(taker)
        self._schedule()
        return True

    def has_time(self) -> bool:
        """Return whether this turn has some time left."""
        now = self._clock()
        if self._ends is None:
            self._ends = now + BUDGET
            self._schedule()
            return True
        return now < self._ends

    def _schedule(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._begin)

    def _begin(self) -> None:
        """Begin the next turn."""
        self._scheduled = False
        self._ends = None
        for _ in range(len(self._queue)):
            if not self.has_time():
                return
            taker = self._queue.popleft()
            if taker.work(self.has_time):
                self._queue.append(taker)
