"""The pulse: whether each child of the supervisor still does its work.

A child's event loop counts up in memory that it shares with the supervisor, twice a second. A count takes no message
that could be lost, and a loop that is busy still counts, if late. One that stands still for `SILENT` seconds is told,
and ended a little later, so that it is started again; one at a time, as one cause may stop several.

Only time in which the supervisor itself ran is counted: a machine that paused, or a group of processes that was stopped
together, ends nobody.
"""

from __future__ import annotations

import asyncio
import mmap
import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from blockd.daemon.processes.running_time import RunningTime

BEAT = 0.5  # seconds between two beats
TICK = 1.0  # seconds between two looks of the supervisor, at most
PAUSE = 2.5  # seconds between two looks of which nothing is counted: the supervisor itself did not run
SILENT = 10.0  # seconds without a beat until it is told
END = 12.0  # seconds without a beat until a child is ended: time to read in /healthz which it was
BEGIN = 60.0  # seconds until the first beat: opening millions of names may take some
AGAIN = 15.0  # seconds that the next one waits for the first beat of one that was ended

_COUNT = struct.Struct("=Q")


class Pulse:
    """The count of one child, made by the supervisor before it forks that."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, _COUNT.size)

    @property
    def count(self) -> int:
        """How often it has beaten."""
        return int(_COUNT.unpack_from(self._memory)[0])

    def beat(self) -> None:
        """Count up, in the child."""
        _COUNT.pack_into(self._memory, 0, self.count + 1)

    def beat_in(self, loop: asyncio.AbstractEventLoop) -> None:
        """Beat as long as a loop runs."""
        self.beat()
        loop.call_later(BEAT, self.beat_in, loop)

    def close(self) -> None:
        """Unmap it."""
        self._memory.close()


_own: list[Pulse] = []  # of this process, at most one


def be(pulse: Pulse) -> None:
    """Note, in a child, which pulse is its own."""
    _own[:] = [pulse]


def begin(loop: asyncio.AbstractEventLoop) -> None:
    """Beat in the event loop of this process, if it is a child of a supervisor."""
    for pulse in _own:
        pulse.beat_in(loop)


class Beating(Protocol):
    """A child with a pulse."""

    @property
    def pulse(self) -> Pulse:
        """Its pulse."""


OfChild = TypeVar("OfChild", bound=Beating)


@dataclass(slots=True)
class _Silence:
    count: int = 0
    seconds: float = 0.0
    is_told: bool = False


@dataclass(slots=True)
class Look(Generic[OfChild]):
    """What a look has found: who is silent since, who beats again, and who has to be ended now, one at most."""

    silent: list[OfChild] = field(default_factory=list)
    back: list[OfChild] = field(default_factory=list)
    end: OfChild | None = None


class PulseWatch(Generic[OfChild]):
    """Watches the pulses of children; `clock` is monotonic. `look` is to be called every `TICK` seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._time = RunningTime(PAUSE, clock)
        self._ran = 0.0  # seconds in which the supervisor has run
        self._free_at = 0.0  # from when on, in such seconds, another may be ended whoever else is silent
        self._known: dict[int, _Silence] = {}  # by the id of the child's pulse, which lives as long as it is known

    def look(self, children: Iterable[OfChild]) -> Look[OfChild]:
        """Look at all children that run."""
        counted = self._time.step()
        self._ran += counted
        found: Look[OfChild] = Look()
        known: dict[int, _Silence] = {}
        late: list[tuple[float, OfChild]] = []
        is_one_beginning = False
        for child in children:
            silence = known[id(child.pulse)] = self._known.get(id(child.pulse)) or _Silence()
            if (count := child.pulse.count) != silence.count:
                if silence.is_told:
                    found.back.append(child)
                silence.count, silence.seconds, silence.is_told = count, 0.0, False
                continue
            silence.seconds += counted
            is_one_beginning = is_one_beginning or not count
            told_at, end_at = (SILENT, END) if count else (BEGIN, BEGIN + END - SILENT)
            if silence.seconds >= told_at and not silence.is_told:
                silence.is_told = True
                found.silent.append(child)
            if silence.seconds >= end_at:
                late.append((silence.seconds, child))
        self._known = known
        if late and (self._ran >= self._free_at or not is_one_beginning):
            found.end = max(late, key=lambda one: one[0])[1]
            self._free_at = self._ran + AGAIN
        return found
