"""The guard of networks: which would take more of the Internet away than a list may, or what this resolver stands on.

Every network of a list is looked at once while it is compiled, so that costs a comparison, a look into a set and, for
few, one into the ranges for special purposes, whatever is guarded.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from blockd.names.network import KEY_CLIENT_IPV4, KEY_IPV6, Network, address_key
from blockd.names.special_purpose import FIRST_OCTETS, is_special_purpose

WIDE, SPECIAL = "network too wide", "special-purpose network"
SINKHOLE, UPSTREAM, CLIENTS = "sinkhole's address", "upstream's address", "client network"

_NAT64 = Network.from_text("64:ff9b::/96")  # RFC 6052: all of IPv4


@dataclass(frozen=True, slots=True)
class OwnNetworks:
    """What this resolver stands on: its sinkhole's addresses, its upstreams', and the networks that it serves."""

    sinkhole: tuple[Network, ...] = ()
    upstreams: tuple[Network, ...] = ()
    clients: tuple[Network, ...] = ()


@dataclass(frozen=True, slots=True)
class NetworkGuard:
    """The limits for networks that a list blocks: the shortest prefixes, and networks that hold what is guarded.

    `holding` has their keys with the reasons, as far as they are not too wide.
    """

    min_ipv4: int = 0
    min_ipv6: int = 0
    holding: Mapping[bytes, str] = field(default_factory=dict)

    @classmethod
    def of(cls, min_ipv4: int, min_ipv6: int, own: OwnNetworks) -> NetworkGuard:
        """Return the guard for the shortest prefixes allowed, and for what is public of this resolver's own."""
        holding: dict[bytes, str] = {}
        for networks, reason in ((own.sinkhole, SINKHOLE), (own.upstreams, UPSTREAM), (own.clients, CLIENTS)):
            for network in networks:
                if is_special_purpose(network.packed, network.prefix_length):
                    continue
                shortest = max(1, min_ipv4 if network.version == 4 else min_ipv6)
                for length in range(shortest, network.prefix_length + 1):
                    holding.setdefault(address_key(network.packed, length), reason)
        return cls(min_ipv4, min_ipv6, holding)

    def __bool__(self) -> bool:
        """Return whether there is any limit."""
        return bool(self.min_ipv4 or self.min_ipv6 or self.holding)

    @property
    def digest(self) -> bytes:
        """Octets that are the same for equal limits."""
        digest = hashlib.sha256(b"%d %d" % (self.min_ipv4, self.min_ipv6))
        for key in sorted(self.holding):
            digest.update(key + self.holding[key].encode())
        return digest.digest()

    def reason(self, key: bytes) -> str:
        """Return why a network that is blocked is to be held back, or reported (SPECIAL); empty if it is not."""
        packed, length = key[2:], key[1]
        too_short = length < (self.min_ipv4 if len(packed) == 4 else self.min_ipv6)
        if key[0] >= KEY_CLIENT_IPV4:
            return WIDE if too_short else ""
        if packed[0] in FIRST_OCTETS[len(packed)] and is_special_purpose(packed, length):
            return SPECIAL
        if too_short or (key[0] == KEY_IPV6 and packed[:2] == b"\0\x64" and self._maps_widely(packed, length)):
            return WIDE
        return self.holding.get(key, "")

    def _maps_widely(self, packed: bytes, length: int) -> bool:
        """Return whether a network stands for more of IPv4, by NAT64, than a network of IPv4 may hold."""
        if not self.min_ipv4 or length >= _NAT64.prefix_length + self.min_ipv4:
            return False
        return packed in _NAT64 if length >= _NAT64.prefix_length else _NAT64.packed in Network(packed, length)
