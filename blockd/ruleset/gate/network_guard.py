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
from blockd.names.translation import WELL_KNOWN_TRANSLATIONS, ipv4_network_within

WIDE, SPECIAL = "network too wide", "special-purpose network"
SINKHOLE, UPSTREAM, CLIENTS = "sinkhole's address", "upstream's address", "client network"

_START = 2  # octets of a network by which most are told to have nothing to do with a prefix of translation


@dataclass(frozen=True, slots=True)
class OwnNetworks:
    """What this resolver stands on: its sinkhole's addresses, its upstreams', and the networks that it serves.

    `translations` are the prefixes behind which IPv4 addresses stand in IPv6 ones.
    """

    sinkhole: tuple[Network, ...] = ()
    upstreams: tuple[Network, ...] = ()
    clients: tuple[Network, ...] = ()
    translations: tuple[Network, ...] = WELL_KNOWN_TRANSLATIONS


@dataclass(frozen=True, slots=True)
class NetworkGuard:
    """The limits for networks that a list blocks: the shortest prefixes, and networks that hold what is guarded.

    `holding` has their keys with the reasons, as far as they are not too wide. An IPv6 network behind one of
    `translations` counts as the IPv4 network that it stands for, since answers are judged so.
    """

    min_ipv4: int = 0
    min_ipv6: int = 0
    holding: Mapping[bytes, str] = field(default_factory=dict)
    translations: tuple[Network, ...] = WELL_KNOWN_TRANSLATIONS
    starts: frozenset[bytes] = frozenset(prefix.packed[:_START] for prefix in WELL_KNOWN_TRANSLATIONS)

    @classmethod
    def of(cls, min_ipv4: int, min_ipv6: int, own: OwnNetworks) -> NetworkGuard:
        """Return the guard for the shortest prefixes allowed, and for what is public of this resolver's own."""
        holding: dict[bytes, str] = {}
        for networks, reason in ((own.sinkhole, SINKHOLE), (own.upstreams, UPSTREAM), (own.clients, CLIENTS)):
            translated = (
                ipv4_network_within(network.packed, network.prefix_length, own.translations)
                for network in networks
                if network.version == 6
            )
            for network in (*networks, *filter(None, translated)):
                if is_special_purpose(network.packed, network.prefix_length):
                    continue
                shortest = max(1, min_ipv4 if network.version == 4 else min_ipv6)
                for length in range(shortest, network.prefix_length + 1):
                    holding.setdefault(address_key(network.packed, length), reason)
        starts = frozenset(prefix.packed[:_START] for prefix in own.translations)
        return cls(min_ipv4, min_ipv6, holding, own.translations, starts)

    def standing_on(self, own: OwnNetworks) -> NetworkGuard:
        """Return the guard with the same limits for what is this resolver's own."""
        return NetworkGuard.of(self.min_ipv4, self.min_ipv6, own)

    def __bool__(self) -> bool:
        """Return whether there is any limit."""
        return bool(self.min_ipv4 or self.min_ipv6 or self.holding)

    @property
    def digest(self) -> bytes:
        """Octets that are the same for equal limits."""
        digest = hashlib.sha256(b"%d %d" % (self.min_ipv4, self.min_ipv6))
        for prefix in self.translations:
            digest.update(prefix.key)
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
        if too_short:
            return WIDE
        if key[0] == KEY_IPV6 and (packed[:_START] in self.starts or length < _START * 8):
            return self._translated(packed, length) or self.holding.get(key, "")
        return self.holding.get(key, "")

    def _translated(self, packed: bytes, length: int) -> str:
        """Return why an IPv6 network is to be held back for the IPv4 networks behind it; empty if it is not."""
        within = ipv4_network_within(packed, length, self.translations)
        if within is not None:
            return self.reason(within.key)
        whole = Network(packed, length)
        return WIDE if self.min_ipv4 and any(prefix.packed in whole for prefix in self.translations) else ""
