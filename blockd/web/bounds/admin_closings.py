"""What the admin port closed for the sake of others, and the line in the log that says who takes too much of it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from blockd.metrics import Closing

LOG_EVERY = 60.0  # seconds between two lines

_log = logging.getLogger(__name__)


class AdminClosings:
    """Counts connections by why they were closed; `clock` is monotonic, in seconds. No address is kept or logged."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.counts = [0] * len(Closing)
        self._clock = clock
        self._told = -LOG_EVERY

    def count(self, why: Closing) -> None:
        """Count a connection that was closed."""
        self.counts[why] += 1

    def tell(self, who: str, most: int) -> None:
        """Log that somebody has as many connections as he may have and wants more; at most once in LOG_EVERY."""
        now = self._clock()
        if now - self._told < LOG_EVERY:
            return
        self._told = now
        _log.warning(
            "%s floods the admin port: all %d connections that one may have are open, and more wait. They wait for "
            "one another, not others for them; root and blockd's own user have places that nobody else gets. What is "
            "enforced has not changed.",
            who,
            most,
        )
