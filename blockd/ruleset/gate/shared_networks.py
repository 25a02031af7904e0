"""Networks of large shared hosts: an address there serves thousands of sites, of which a list means one.

An entry that lies in such a network, equals it or covers it is held back. It is asked about each network of a list, so
an answer costs one search by bisection.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass

from blockd.names import Network, is_client_key

SHARED_HOST = "shared host"


@dataclass(frozen=True, slots=True)
class _Ranges:
    """Where ranges of addresses of one size begin and end, both included, as numbers; ascending, and apart."""

    starts: tuple[int, ...] = ()
    ends: tuple[int, ...] = ()

    @classmethod
    def of(cls, networks: Iterable[Network]) -> _Ranges:
        """Return the ranges of networks of one size: of networks one in another the outer one."""
        starts: list[int] = []
        ends: list[int] = []
        for network in sorted(networks):  # a network comes before those in it; no two overlap otherwise
            first, last = _span(network.packed, network.prefix_length)
            if not ends or first > ends[-1]:
                starts.append(first)
                ends.append(last)
        return cls(tuple(starts), tuple(ends))

    def meet(self, first: int, last: int) -> bool:
        """Return whether a range has addresses between two, both included."""
        at = bisect_right(self.starts, last) - 1
        return at >= 0 and self.ends[at] >= first


_NO_RANGES = _Ranges()


@dataclass(frozen=True, slots=True)
class SharedNetworks:
    """The networks of shared hosts; none by default."""

    ipv4: _Ranges = _NO_RANGES
    ipv6: _Ranges = _NO_RANGES

    @classmethod
    def of(cls, networks: Iterable[Network]) -> SharedNetworks:
        """Return them made of networks of both families, in any order."""
        networks = list(networks)
        return cls(
            _Ranges.of(network for network in networks if network.version == 4),
            _Ranges.of(network for network in networks if network.version == 6),
        )

    def __bool__(self) -> bool:
        """Return whether there are any."""
        return bool(self.ipv4.starts or self.ipv6.starts)

    def reason(self, key: bytes) -> str:
        """Return SHARED_HOST if the entry of a network's key would block such a host, else empty.

        A network of clients blocks nothing there.
        """
        if is_client_key(key):
            return ""
        packed = key[2:]
        ranges = self.ipv4 if len(packed) == 4 else self.ipv6
        return SHARED_HOST if ranges.meet(*_span(packed, key[1])) else ""


NONE_SHARED = SharedNetworks()


def _span(packed: bytes, prefix_length: int) -> tuple[int, int]:
    """Return the first and the last address of a network as numbers."""
    first = int.from_bytes(packed)
    return first, first | (1 << len(packed) * 8 - prefix_length) - 1
