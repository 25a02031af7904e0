"""When a feed is polled next: in its interval, and sooner after a failure, unless its source asks to be left alone."""

from __future__ import annotations

from blockd.daemon.timing import Timing
from blockd.errors import FeedUnreachable

JITTER = 0.1  # share of an interval by which polls are spread, so that nodes do not ask in step
FIRST_RETRY = 2.0  # seconds after a failure, doubled with each further one in a row, up to the feed's interval
_MAX_DOUBLINGS = 20


class PollSchedule:
    """The schedule of one feed; `next_poll` is in seconds since the epoch, None before it is known."""

    def __init__(self) -> None:
        self.next_poll: float | None = None
        self.failures = 0  # in a row
        self.broken = 0  # polls since content turned out to be broken, that one included; 0 if it was good
        self._asked_to_wait = 0.0  # seconds

    def succeeded(self) -> None:
        """Note that a poll succeeded."""
        self.failures = 0
        self._asked_to_wait = 0.0

    def failed(self, error: Exception) -> None:
        """Note that a poll failed."""
        self.failures += 1
        wait = error.retry_after if isinstance(error, FeedUnreachable) else None
        self._asked_to_wait = wait or 0.0

    def pause(self, interval: float, timing: Timing) -> float:
        """Return the seconds until the next poll, given the feed's interval, and note when that is.

        A source is left alone for as long as it asks, also if that is longer than the interval.
        """
        seconds = interval
        if failures := self.failures or self.broken:
            doublings = min(failures - 1, _MAX_DOUBLINGS)
            self.broken += bool(self.broken)
            seconds = max(min(FIRST_RETRY * 2**doublings, interval), self._asked_to_wait)
        low = 1.0 if self._asked_to_wait == seconds else 1 - JITTER
        seconds *= timing.uniform(low, 1 + JITTER)
        self.next_poll = timing.clock() + seconds
        return seconds
