"""The clients that are served: only listed networks, so that blockd is never an open resolver by accident.

However many networks are listed, an address is found among them by halving: a stranger's packet must be cheap.
"""

from __future__ import annotations

import socket
import struct
from bisect import bisect_right
from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network, collapse_addresses

from blockd.names import Network

_HALF = (1 << 64) - 1
_MAPPED = bytes(10) + b"\xff\xff"  # an IPv4 address in an IPv6 one, RFC 4291 section 2.5.5.2
IPV4_PREFIX = 3  # octets of a /24, the least that is routed
_IPV6_ADDRESS = 8  # octets of a /64, within which a host has any address that it likes (RFC 8981)
IPV6_PREFIX = 6  # octets of a /48, what one site has (RFC 6177)
LOOPBACK = (Network.from_text("127.0.0.0/8"), Network.from_text("::1"))  # no packet with it comes from outside


class NetworkSet:
    """Networks, of which an address lies in one or in none."""

    def __init__(self, networks: Iterable[Network]) -> None:
        self._ranges = {4: _ranges(networks := list(networks), 4), 16: _ranges(networks, 16)}

    def __contains__(self, packed: bytes) -> bool:
        """Whether an address of 4 or 16 octets lies in one of the networks."""
        firsts, lasts = self._ranges[len(packed)]
        number = int.from_bytes(packed)
        place = bisect_right(firsts, number)
        return place > 0 and number <= lasts[place - 1]


class Clients:
    """The networks that are served, and the front ends among them. Nothing about a client is kept."""

    def __init__(
        self, networks: Iterable[Network], front_ends: Iterable[Network] = (), proxies: Iterable[Network] = ()
    ) -> None:
        """One address of `front_ends` asks for many clients: it is not counted as one.

        Those among them that are in `proxies` say for whom they ask, by the PROXY protocol.
        """
        self._served = NetworkSet(networks)
        self._front_ends = NetworkSet(front_ends := tuple(front_ends))
        self._has_front_ends = bool(front_ends)
        self._unlimited = NetworkSet((*front_ends, *LOOPBACK))
        self._proxies = NetworkSet(proxies := tuple(proxies))
        self.has_proxies = bool(proxies)

    def serves(self, host: str) -> bool:
        """Return whether the client at an IP address, as a socket writes it, is served."""
        return packed_host(host) in self._served

    def is_front_end(self, host: str) -> bool:
        """Return whether an IP address, as a socket writes it, is that of a front end."""
        return self._has_front_ends and packed_host(host) in self._front_ends

    def is_proxy(self, host: str) -> bool:
        """Return whether an IP address, as a socket writes it, has to say for whom it asks."""
        return self.has_proxies and packed_host(host) in self._proxies

    def is_limited(self, host: str) -> bool:
        """Return whether answers to an IP address are limited: its questions may have been forged elsewhere."""
        return packed_host(host) not in self._unlimited


def packed_networks(networks: Iterable[Network]) -> tuple[bytes, bytes]:
    """Return IPv4 and IPv6 networks as the engine looks them up: the first and the last address of each, in order.

    An IPv4 address is a native number of 32 bits, an IPv6 one two of 64 bits, the upper half first.
    """
    networks = list(networks)
    four = b"".join(struct.pack("=II", *span) for span in zip(*_ranges(networks, 4), strict=True))
    halves = (
        (first >> 64, first & _HALF, last >> 64, last & _HALF)
        for first, last in zip(*_ranges(networks, 16), strict=True)
    )
    return four, b"".join(struct.pack("=QQQQ", *span) for span in halves)


def packed_host(host: str) -> bytes:
    """Return the 4 or 16 octets of an IP address as a socket writes it."""
    return socket.inet_pton(socket.AF_INET6, host.partition("%")[0]) if ":" in host else socket.inet_aton(host)


def host_of_packed(packed: bytes) -> str:
    """Return an IP address of 4 or 16 octets as a socket writes it, one of IPv4 in IPv6 as IPv4."""
    packed = unmapped(packed)
    return socket.inet_ntop(socket.AF_INET if len(packed) == 4 else socket.AF_INET6, packed)


def unmapped(packed: bytes) -> bytes:
    """Return the IPv4 address that is in an IPv6 one, in 4 octets; every other address as it is."""
    return packed.removeprefix(_MAPPED)


def keys_of(host: str) -> tuple[bytes, bytes]:
    """Return the keys of the two groups of an IP address as a socket writes it, see `keys_of_packed`."""
    return keys_of_packed(packed_host(host))


def keys_of_packed(packed: bytes) -> tuple[bytes, bytes]:
    """Return the keys of the two groups of an IP address: its own octets and those of its /24, or of its /64 and /48.

    They are 4, 3, 8 and 6 octets long, so that no key stands for two networks; empty for an address that is empty.
    """
    packed = unmapped(packed)
    if len(packed) <= 4:
        return packed, packed[:IPV4_PREFIX]
    return packed[:_IPV6_ADDRESS], packed[:IPV6_PREFIX]


def _ranges(networks: Iterable[Network], size: int) -> tuple[list[int], list[int]]:
    """Return the first and the last addresses of networks of one family, in order, none within another."""
    listed = [(network.packed, network.prefix_length) for network in networks if len(network.packed) == size]
    spans: list[tuple[int, int]]
    if size == 4:
        spans = [(int(one[0]), int(one[-1])) for one in collapse_addresses(map(IPv4Network, listed))]
    else:
        spans = [(int(one[0]), int(one[-1])) for one in collapse_addresses(map(IPv6Network, listed))]
    return [first for first, _ in spans], [last for _, last in spans]
