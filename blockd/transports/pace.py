"""How many connections a client, and its neighbours together, may open within a second.

A connection, and a page even more, costs the server more than it costs the client. Beyond these numbers one is closed
at once, which costs next to nothing. Nothing is known of a client a second later.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from blockd.resolver.clients import keys_of


@dataclass(frozen=True, slots=True)
class PaceBounds:
    """Connections within a second: of one address (IPv6: /64), and of one /24 (/48).

    An address gets the first `least` of its own whatever its neighbours do.
    """

    address: int = 100  # a page on which everything comes from blocked names makes some dozens
    prefix: int = 400
    least: int = 5


class Pace:
    """Counts connections by the second; `clock` is monotonic, in seconds."""

    def __init__(
        self, bounds: PaceBounds, clock: Callable[[], float], is_front_end: Callable[[str], bool] = lambda _: False
    ) -> None:
        self._bounds = bounds
        self._clock = clock
        self._is_front_end = is_front_end
        self._second = 0
        self._counts: dict[bytes, int] = {}  # by the keys of addresses and prefixes

    def __len__(self) -> int:
        return len(self._counts)

    def allows(self, host: str) -> bool:
        """Count a connection from an IP address; return whether it is within the bounds. A front end always is."""
        if self._is_front_end(host):
            return True
        second = int(self._clock())
        if second != self._second:
            self._second = second
            self._counts = {}
        address, prefix = keys_of(host)
        own = self._counts[address] = self._counts.get(address, 0) + 1
        if own > self._bounds.address:
            return False
        neighbours = self._counts[prefix] = self._counts.get(prefix, 0) + 1
        return neighbours <= self._bounds.prefix or own <= self._bounds.least
