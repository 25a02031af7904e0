"""The time in which this process itself ran, for who waits for another: a machine that paused must alarm nobody."""

from __future__ import annotations

import time
from collections.abc import Callable


class RunningTime:
    """Counts from one look to the next; nothing of a step of more than `longest` seconds, in which it did not run.

    `clock` is monotonic.
    """

    def __init__(self, longest: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._longest = longest
        self._clock = clock
        self._last = clock()

    def step(self) -> float:
        """Return the seconds since the last look, or since the beginning, that count."""
        now = self._clock()
        gap, self._last = now - self._last, now
        return gap if gap <= self._longest else 0.0
