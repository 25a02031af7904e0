"""The paces of requests: of each caller that is known its own, and one of all others together.

So who asks without end makes himself wait, and those who are not known make nobody wait who is.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable

from blockd.web.bounds.costly import RequestPace, Sleep

COMMANDS_PER_SECOND = 5.0  # of one caller: each is a record of the audit log, and most compile
BURST_OF_COMMANDS = 50  # that may come at once: a script that ends overrides one by one

MAX_CALLERS = 128  # with a pace of their own: twice as many as tokens; of more, those that came longest ago begin anew


class Paces:
    """The paces, by the names of callers; `clock` is monotonic, in seconds. Without numbers they are those of all."""

    def __init__(
        self,
        clock: Callable[[], float],
        per_second: float | None = None,
        burst: int | None = None,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._clock, self._sleep = clock, sleep
        self._per_second, self._burst = per_second, burst
        self._others = self._pace()
        self._known: OrderedDict[str, RequestPace] = OrderedDict()

    async def keep(self, name: str, is_gone: Callable[[], bool]) -> bool:
        """Wait for the turn of a request of a caller, empty if it is not known; see `RequestPace.keep`."""
        if not name:
            return await self._others.keep(is_gone)
        pace = self._known.pop(name, None) or self._pace()
        self._known[name] = pace
        if len(self._known) > MAX_CALLERS:
            self._known.popitem(last=False)
        return await pace.keep(is_gone)

    def _pace(self) -> RequestPace:
        return RequestPace(self._clock, self._sleep, self._per_second, self._burst)
