"""What a primary could not do when it was last asked, so that it is not asked in vain at every poll.

Each is forgotten after a while, longer each time in a row, since primaries are repaired and replaced.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum

from blockd.printable import unproved
from blockd.settings import SocketAddress
from blockd.times import time_text

FIRST = 3_600.0  # seconds until what failed once is tried again
LONGEST = 86_400.0  # seconds, however often it has failed
MAX_WHY = 200  # characters of a cause that are shown
MAX_NOTED = 256  # of all primaries: more than the addresses of one feed give


class Shortfall(Enum):
    """What a primary cannot do, with what is done instead."""

    EDNS = "EDNS: it is asked without"
    UDP = "a question for its SOA over UDP: it is asked over TCP"
    SOA = "a question for its SOA: a transfer is asked for at each poll"
    IXFR = "IXFR: the whole zone is transferred each time"
    TRANSFER = "a transfer: other primaries are asked first"


@dataclass(frozen=True, slots=True)
class _Noted:
    until: float
    times: int  # in a row
    why: str


class Shortfalls:
    """The shortfalls of a feed's primaries; `now` returns seconds since the epoch."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._noted: dict[tuple[SocketAddress, Shortfall], _Noted] = {}

    def has(self, primary: SocketAddress, what: Shortfall) -> bool:
        """Return whether a primary need not be asked for it yet."""
        noted = self._noted.get((primary, what))
        return noted is not None and 0 < noted.until - self._now() <= LONGEST

    def note(self, primary: SocketAddress, what: Shortfall, why: str) -> bool:
        """Note a shortfall, and why; return whether it was not known before.

        One that is not over yet, as after tries for want of another primary, is over when it was to be.
        """
        is_known = self.has(primary, what)
        known = self._noted.pop((primary, what), None)
        times = known.times if known else 0
        if known is not None and is_known:
            until, times = known.until, times - 1
        else:
            until = self._now() + min(FIRST * (1 << min(times, 8)), LONGEST)
        self._noted[primary, what] = _Noted(until, times + 1, unproved(why.removesuffix("."), MAX_WHY))
        if len(self._noted) > MAX_NOTED:
            del self._noted[next(iter(self._noted))]
        return known is None

    def forget(self, primary: SocketAddress, what: Shortfall) -> None:
        """Note that a primary can do it."""
        self._noted.pop((primary, what), None)

    def sentences(self) -> Iterator[str]:
        """Yield a sentence for each shortfall, for the status."""
        for (primary, what), noted in self._noted.items():
            if self.has(primary, what):
                then = "This holds until" if what is Shortfall.TRANSFER else "This is tried again at"
                yield f"{primary.text} does not answer {what.value} ({noted.why}). {then} {time_text(noted.until)}."
