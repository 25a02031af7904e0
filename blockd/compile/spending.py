"""Holding the reading of each feed's new content to its budget, in a process that does nothing else.

Whoever reads says whose content begins and when it ends. Over its time, reading is stopped by `Exhausted`, between two
steps of Python; code that takes no such step is ended with its process by the kernel, soon after. Over its memory, the
next allocation fails, which is MemoryError in Python and in C.
"""

from __future__ import annotations

import resource
import signal
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Protocol

from blockd.feeds.budget import Budget, Spent

AGAIN = 1.0  # seconds after which reading is stopped again, if that was lost in code that no error may leave
KILLED_AFTER = 1.25  # times its budget, and LENIENCY: then the kernel ends the process
LENIENCY = 5.0  # seconds
KILLED_BY = signal.SIGPROF
GROWTH = 1.5  # times what is in memory already: what growing tables shared by all feeds may need on a feed's account
_STATUS = Path("/proc/self/status")


class Exhausted(BaseException):
    """Reading a feed's new content has taken its seconds; no `except Exception` stops it."""


class Watch(Protocol):
    """What is told whose content is read."""

    feed: str  # whose new content is read now; empty if none is

    def begin(self, feed: str, budget: Budget | None) -> None:
        """Note that reading a feed's new content begins, or goes on; with no budget nothing limits it."""

    def end(self) -> None:
        """Note that what is done next is not a feed's."""

    def spent(self) -> dict[str, Spent]:
        """Return what was spent, by feed."""


class NoWatch:
    """Limits nothing."""

    feed = ""

    def begin(self, feed: str, budget: Budget | None) -> None:
        """Note nothing."""

    def end(self) -> None:
        """Note nothing."""

    def spent(self) -> dict[str, Spent]:
        """Return nothing."""
        return {}


class Spending:
    """Measures and limits what this process takes; only its main thread may call it.

    `told` gets the name of the feed whose new content is read from now on, empty if none is.
    """

    def __init__(self, told: Callable[[str], None]) -> None:
        self.feed = ""
        self._told = told
        self._spent: dict[str, Spent] = {}
        self._first = _memory()[0]
        self._begun = (0.0, 0, 0)  # seconds, octets of memory, and the most that there were until then

    def begin(self, feed: str, budget: Budget | None) -> None:
        """Limit what is done from now on, of which the feed may have done a part before."""
        self.end()
        if budget is None:
            return
        self.feed = feed
        self._told(feed)
        size, most = _memory()
        self._begun = (_seconds(), size, most)
        left = max(0.001, budget.limit - self._spent.get(feed, Spent()).seconds)
        room = budget.memory + int(GROWTH * max(0, size - self._first))
        _limit_memory(size + room)
        signal.signal(signal.SIGVTALRM, _stop)
        signal.setitimer(signal.ITIMER_VIRTUAL, left, AGAIN)
        signal.setitimer(signal.ITIMER_PROF, left * KILLED_AFTER + LENIENCY)

    def end(self) -> None:
        """Lift the limits, and add up what was spent."""
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.setitimer(signal.ITIMER_PROF, 0)
        _limit_memory(resource.RLIM_INFINITY)
        if not self.feed:
            return
        seconds, size, most = self._begun
        now, peak = _memory()
        grown = (peak if peak > most else now) - size
        before = self._spent.get(self.feed, Spent())
        self._spent[self.feed] = Spent(before.seconds + _seconds() - seconds, max(before.memory, grown))
        self.feed = ""
        self._told("")

    def spent(self) -> dict[str, Spent]:
        """Return what was spent until the last end, by feed."""
        return dict(self._spent)


def _stop(_number: int, _frame: FrameType | None) -> None:
    raise Exhausted


def _seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _limit_memory(octets: int) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    if hard != resource.RLIM_INFINITY:
        octets = hard if octets == resource.RLIM_INFINITY else min(octets, hard)
    resource.setrlimit(resource.RLIMIT_AS, (octets, hard))


def _memory() -> tuple[int, int]:
    """Return the octets of this process' address space, which RLIMIT_AS counts, and the most that there were."""
    kib = {}
    for line in _STATUS.read_text("ascii", "replace").splitlines():
        name, _, value = line.partition(":")
        if name in ("VmSize", "VmPeak"):
            kib[name] = int(value.split()[0])
    return kib["VmSize"] << 10, kib["VmPeak"] << 10
