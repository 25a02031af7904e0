"""Places for work that others wait for, shared by clients: whoever has had least gets the next.

A client is an address (IPv6: a /64), and its network a /24 (/48). Nobody waits behind a client or a network that asks
more: the newcomer takes the place of the oldest work of the network that has most, and within its own network that of
the client that has most, if it has more than the newcomer itself. So one that asks without end keeps nothing from
others; alone it may have all places. Nothing is known of a client a second after its last work has ended.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass

from blockd.resolver.clients import keys_of_packed


class NoPlace(Exception):
    """There is no place for the work, or another client has been given it."""


@dataclass(frozen=True, slots=True)
class PlaceBounds:
    """How much is worked `at_once`, begun each second, and waited for, for at most `patience` seconds.

    `displaces` is whether work ends for a newcomer. If not, that waits, and gets the next place.
    """

    at_once: int
    per_second: float
    waiting: int
    patience: float
    displaces: bool = True


@dataclass(eq=False, slots=True)
class _Turn:
    """One piece of work: of whom, the how many-th, and what ends it."""

    address: bytes
    network: bytes
    number: int
    admitted: asyncio.Event
    ends: asyncio.Timeout


class _Turns:
    """Turns in their order, and how many of each network and address are among them."""

    def __init__(self) -> None:
        self._turns: dict[_Turn, None] = {}
        self._counts: Counter[bytes] = Counter()

    def __len__(self) -> int:
        return len(self._turns)

    def __iter__(self) -> Iterator[_Turn]:
        return iter(self._turns)

    def of(self, turn: _Turn) -> tuple[int, int]:
        """Return how many there are of a turn's network, and of its address."""
        return self._counts[turn.network], self._counts[turn.address]

    def add(self, turn: _Turn) -> None:
        self._turns[turn] = None
        self._counts.update((turn.network, turn.address))

    def remove(self, turn: _Turn) -> None:
        """Remove a turn; one that is not among them is passed over."""
        if turn in self._turns:
            del self._turns[turn]
            for key in (turn.network, turn.address):
                self._counts[key] -= 1
                if not self._counts[key]:
                    del self._counts[key]


class SharedPlaces:
    """The places; `clock` is monotonic, in seconds. What any of this costs grows with the number of places alone."""

    def __init__(self, bounds: PlaceBounds, clock: Callable[[], float] = time.monotonic) -> None:
        self._bounds = bounds
        self._clock = clock
        self._working = _Turns()
        self._waiting = _Turns()
        self._number = 0
        self._next = 0.0  # when the next may begin
        self._second = 0
        self._begun: Counter[bytes] = Counter()  # in this second, by network and address
        self._timer: asyncio.TimerHandle | None = None

    @contextlib.asynccontextmanager
    async def place(self, client: bytes) -> AsyncIterator[None]:
        """Wait for a place for a client's work, which lasts until the end of the context.

        `client` is an address in network order, empty if not known. Raises NoPlace, also in the midst of the work.
        """
        address, network = keys_of_packed(client)
        turn: _Turn | None = None
        try:
            async with asyncio.timeout(self._bounds.patience) as ends:
                self._number += 1
                turn = _Turn(address, network, self._number, asyncio.Event(), ends)
                self._wait(turn)
                await turn.admitted.wait()
                yield
        except TimeoutError:
            raise NoPlace from None
        finally:
            if turn is not None:
                self._waiting.remove(turn)
                self._working.remove(turn)
                self._admit()

    def _wait(self, turn: _Turn) -> None:
        """Have a turn wait; of too many the newest of the network and address that have most of them is given up."""
        self._waiting.add(turn)
        self._admit()
        if len(self._waiting) > self._bounds.waiting:
            last = max(self._waiting, key=lambda one: (*self._waiting.of(one), one.number))
            self._waiting.remove(last)
            if last is turn:
                raise NoPlace
            _reschedule(last, 0.0)

    def _admit(self) -> None:
        """Begin what may begin now: of the network, and of its addresses, that have had least."""
        while self._waiting:
            now = self._clock()
            if now < self._next:
                self._come_back(self._next - now)
                return
            if int(now) != self._second:
                self._second = int(now)
                self._begun.clear()
            turn = min(self._waiting, key=self._had)
            if len(self._working) >= self._bounds.at_once:
                other = self._displaced_by(turn)
                if other is None:
                    return
                self._working.remove(other)
                _reschedule(other, 0.0)
            interval = 1 / self._bounds.per_second
            self._next = max(self._next, now - self._bounds.at_once * interval) + interval
            self._begun.update((turn.network, turn.address))
            self._waiting.remove(turn)
            self._working.add(turn)
            _reschedule(turn, None)
            turn.admitted.set()

    def _had(self, turn: _Turn) -> tuple[int, int, int]:
        network, address = self._working.of(turn)
        return network + self._begun[turn.network], address + self._begun[turn.address], turn.number

    def _displaced_by(self, turn: _Turn) -> _Turn | None:
        """Return the work that ends for another; None if nobody has more than who asks, or if none ends early."""
        if not self._bounds.displaces:
            return None
        network, address = self._working.of(turn)
        most = max(self._working.of(one)[0] for one in self._working)
        others = (
            [one for one in self._working if self._working.of(one)[0] == most]
            if most > network
            else [one for one in self._working if one.network == turn.network and self._working.of(one)[1] > address]
        )
        return max(others, key=lambda one: (self._working.of(one)[1], -one.number), default=None)

    def _come_back(self, seconds: float) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(seconds, self._come)

    def _come(self) -> None:
        self._timer = None
        self._admit()


def _reschedule(turn: _Turn, when: float | None) -> None:
    """Set when a turn ends; one whose time is over, and which has not noticed yet, is left alone."""
    with contextlib.suppress(RuntimeError):
        turn.ends.reschedule(when)
