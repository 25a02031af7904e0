"""What is due in Python's forwarding, and when: one timer of the event loop for all flights."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Callable

from blockd.resolver.forwarding.flight import Flight

SLACK = 0.001  # seconds by which a timer may come early
BUDGET = 0.003  # seconds for which flights are gone on with before others get their turn


class Agenda:
    """The moments at which flights are to be looked at, each of which may be replaced by another."""

    def __init__(self, now: Callable[[], float], look_at: Callable[[Flight], None]) -> None:
        """`now` is the clock of flights; `look_at` goes on with one that is due."""
        self._now = now
        self._look_at = look_at
        self._due: list[tuple[float, int, Flight]] = []  # a heap; what a flight no longer waits for stays in it
        self._numbers = itertools.count()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_due = 0.0

    def plan(self, flight: Flight, due: float) -> None:
        """Look at a flight at a moment, and not at the one that was planned before."""
        flight.due = due
        heapq.heappush(self._due, (due, next(self._numbers), flight))
        self._set_timer()

    def run(self) -> None:
        """Look at the flights that are due."""
        self._timer = None
        begun = self._now()
        now = begun + SLACK
        while self._due and self._due[0][0] <= now:
            due, _, flight = heapq.heappop(self._due)
            if flight.due == due and not flight.is_gone:
                self._look_at(flight)
            if self._now() >= begun + BUDGET:
                break
        self._set_timer()

    def clear(self) -> None:
        """Forget all."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._due.clear()

    def _set_timer(self) -> None:
        if not self._due:
            return
        due = self._due[0][0]
        if self._timer is not None:
            if self._timer_due <= due + SLACK:
                return
            self._timer.cancel()
        self._timer_due = due
        self._timer = asyncio.get_running_loop().call_later(max(due - self._now(), 0.0), self.run)
