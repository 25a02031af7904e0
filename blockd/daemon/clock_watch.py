"""Whether this machine's clock has run back: it is compared with the newest time that the state folder knows.

The dates of orders, of signatures and of overrides are the clock's. One that runs back by more than a correction would
bring into force what has ended, and put out of force what has begun.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable

from blockd.times import time_text

TOLERANCE = 60.0  # seconds: a correction by NTP, and the time since the last sign of life

log = logging.getLogger(__name__)


class ClockWatch:
    """The newest time that `clock` has shown, or that is known from before, in seconds since the epoch."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.newest = clock()
        self._clock = clock
        self._is_logged = False

    def know(self, times: Iterable[float | None]) -> None:
        """Take over times at which something has happened."""
        self.newest = max([self.newest, *(time for time in times if time is not None)])

    def behind(self) -> float:
        """Return by how many seconds the clock is behind; 0 if it is not, or by no more than a correction."""
        now = self._clock()
        self.newest = max(self.newest, now)
        seconds = self.newest - now
        return seconds if seconds > TOLERANCE else 0.0

    def look(self) -> None:
        """Log once that the clock has run back, and that it is right again."""
        seconds = self.behind()
        if bool(seconds) is self._is_logged:
            return
        self._is_logged = bool(seconds)
        if seconds:
            log.error(
                "The clock has run back: it is %.0f seconds behind %s, the newest time that is known. Dates of orders "
                "go by the clock; lists without a date stay in force. Set the clock.",
                seconds, time_text(self.newest),
            )  # fmt: skip
        else:
            log.warning("The clock is past the newest time that is known again.")
