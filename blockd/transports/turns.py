# cython: annotation_typing=False, binding=False
"""Whose turn it is: connections handle their messages in their order, for a millisecond in each turn of the loop.

So any number of connections that send as much as they can delay neither UDP nor each other by more. The more of them
wait for their turn, the shorter it is. Newcomers, which ask for the first time, have a line of their own, which is
served network by network, and while others wait for half of the time at most: thousands that pile up questions do not
stand before one that asks its first, nor do those of a few networks that connect without end; and handshakes, which
cost as much as a hundred questions, do not keep those waiting who have made theirs.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections import deque
from collections.abc import Callable
from typing import Protocol

from blockd.transports.line import WaitingLine

BUDGET = 0.001  # seconds of one turn of the event loop
SHARED_BY = 16  # so many others that wait for their turn halve the part of it that one connection gets


class TurnTaker(Protocol):
    """A connection that may have messages to handle."""

    def newcomer_from(self) -> str:
        """Return the IP address that it comes from if none of its messages has been handled yet, else nothing."""

    def work(self, has_time: Callable[[], bool]) -> bool:
        """Handle messages, at least one, as long as there is time; return whether some are left for a later turn."""


class TakingTurns:
    """Lets connections work within BUDGET seconds of each turn of the event loop, in the order in which they ask.

    After each newcomer come other connections, at least one, for as long as it took. What the loop calls, and
    connections ask in, says so by `begin`: a turn in which nobody has to wait costs no call of its own.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._ends: float | None = None  # of the current turn, None if nobody has worked in it
        self._part_ends = 0.0  # of the time of the connection that works now
        self._newcomers: WaitingLine[TurnTaker] = WaitingLine(sys.maxsize)
        self._others: deque[TurnTaker] = deque()
        self._count = 0  # of both
        self._ahead = 0.0  # seconds that newcomers have worked longer than others while both waited
        self._scheduled = False
        self._served = False  # those that waited have worked, and nothing has been called since

    def begin(self) -> None:
        """Note that the loop has called: its turn is a new one, unless those that waited have just worked in it."""
        if self._served:
            self._served = False
        else:
            self._ends = None

    def ask(self, taker: TurnTaker) -> bool:
        """Let a connection work at once if nobody is before it; return whether it is left for a later turn."""
        if not self._count and self.has_time() and not self._work(taker):
            return False
        self._append(taker)
        self._schedule()
        return True

    def has_time(self) -> bool:
        """Return whether this turn has some time left."""
        now = self._clock()
        if self._ends is None:
            self._ends = now + BUDGET
            return True
        return now < self._ends

    def _schedule(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._serve)

    def _serve(self) -> None:
        """Let those work that wait."""
        self._scheduled = False
        self._ends = None
        self._served = True
        for _ in range(self._count):
            if not self.has_time():
                break
            is_others = len(self._others) > 0 and (self._ahead > 0 or not len(self._newcomers))
            taker = self._others.popleft() if is_others else self._newcomers.pop()
            self._count -= 1
            begun = self._clock()
            if self._work(taker):
                self._append(taker)
            took = self._clock() - begun
            if is_others:
                self._ahead = max(self._ahead - took, 0.0)
            else:
                self._ahead = self._ahead + took if len(self._others) else 0.0
        if self._count:
            self._schedule()

    def _work(self, taker: TurnTaker) -> bool:
        """Let a connection work for its part of the turn, which `has_time` has found not to be over."""
        now = self._clock()
        part = BUDGET / (1 + self._count / SHARED_BY)
        self._part_ends = min(now + part, now if self._ends is None else self._ends)
        return taker.work(self._has_part)

    def _has_part(self) -> bool:
        return self._clock() < self._part_ends

    def _append(self, taker: TurnTaker) -> None:
        host = taker.newcomer_from()
        if host:
            self._newcomers.put(host, taker)
        else:
            self._others.append(taker)
        self._count += 1
