"""The clients that are served: only listed networks, so that blockd is never an open resolver by accident."""

from __future__ import annotations

import socket
from collections.abc import Iterable

from blockd.names import Network


class Clients:
    """The networks that are served. Nothing about a client is kept."""

    def __init__(self, networks: Iterable[Network]) -> None:
        networks = list(networks)
        self._ipv4 = [_masked(network) for network in networks if network.version == 4]
        self._ipv6 = [_masked(network) for network in networks if network.version == 6]

    def serves(self, host: str) -> bool:
        """Return whether the client at an IP address, as a socket writes it, is served."""
        packed = packed_host(host)
        number = int.from_bytes(packed)
        return any(number & mask == network for network, mask in (self._ipv4 if len(packed) == 4 else self._ipv6))


def packed_networks(networks: Iterable[Network]) -> tuple[bytes, bytes]:
    """Return IPv4 and IPv6 networks as the engine compares them: each network's octets, then those of its mask."""
    packed: dict[int, list[bytes]] = {4: [], 6: []}
    for network in networks:
        bits = len(network.packed) * 8
        mask = ((1 << bits) - (1 << bits - network.prefix_length)).to_bytes(bits // 8)
        packed[network.version].append(network.packed + mask)
    return b"".join(packed[4]), b"".join(packed[6])


def packed_host(host: str) -> bytes:
    """Return the 4 or 16 octets of an IP address as a socket writes it."""
    return socket.inet_pton(socket.AF_INET6, host.partition("%")[0]) if ":" in host else socket.inet_aton(host)


def _masked(network: Network) -> tuple[int, int]:
    bits = len(network.packed) * 8
    mask = (1 << bits) - (1 << bits - network.prefix_length)
    return int.from_bytes(network.packed), mask
