"""Wrong tokens: how many came, and from whom more come than anybody needs.

A token has 256 random bits, so that nobody finds one by trying. Who tries is told to wait, and loses the connection;
whoever sends a right one is served, also from the same address: a lock would be a way to lock the operator out.
"""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from collections.abc import Callable

LOG_EVERY = 60.0  # seconds between two lines about refusals
AT_ONCE = 10  # wrong tokens that a client may send before it is told to wait: a person who mistypes
PAUSE = 6.0  # seconds until one more may come
MAX_CLIENTS = 1_024  # of which that is known; of more, those that were heard of longest ago are forgotten

log = logging.getLogger(__name__)


class WrongAttempts:
    """Counts what was refused; `monotonic` is a clock in seconds. Addresses are kept in memory for a minute's worth."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.count = 0  # requests that sent what is no token, or nothing where one is needed
        self._monotonic = monotonic
        self._logged: float | None = None
        self._clients: OrderedDict[bytes, float] = OrderedDict()  # until when each has used up what it may

    def refused(self) -> None:
        """Count a request that was refused for want of a token that may do it."""
        self.count += 1
        now = self._monotonic()
        if self._logged is None or now - self._logged >= LOG_EVERY:
            self._logged = now
            log.warning(
                "The admin port was asked without a token that may do it, %d times since its start. Nothing was done. "
                "`blockd token list` shows which tokens there are, `blockd token add` makes one.",
                self.count,
            )

    def wrong(self, client: bytes) -> float:
        """Note a wrong token of a client; return the seconds for which it is to send none, 0 if it may."""
        now = self._monotonic()
        full = max(now, self._clients.pop(client, now)) + PAUSE
        wait = full - now - AT_ONCE * PAUSE
        self._clients[client] = full if wait <= 0 else now + AT_ONCE * PAUSE
        while len(self._clients) > MAX_CLIENTS or self._clients[next(iter(self._clients))] <= now:
            self._clients.popitem(last=False)
        return max(0.0, wait)
