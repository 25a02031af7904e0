"""IPv4 addresses within IPv6 ones: mapped, and behind a prefix by which clients reach IPv4 through NAT64 (RFC 6052).

`64:ff9b:1::/48` (RFC 8215) is not such a prefix by itself: it is a range out of which a network takes its own prefixes,
of any length, so that nothing says where in it an IPv4 address stands. A network that uses it names the prefix it took.
"""

from __future__ import annotations

from collections.abc import Sequence

from blockd.names.network import Network

PREFIX_LENGTHS = (32, 40, 48, 56, 64, 96)  # bits, RFC 6052 section 2.2
MAX_TRANSLATIONS = 16  # prefixes that one ruleset is judged with, all compared with each IPv6 address of an answer
MAPPED_BITS = 96  # in front of an IPv4 address where it is compared with IPv6 ones
WELL_KNOWN_TRANSLATIONS: tuple[Network, ...] = (
    Network.from_text("::ffff:0:0/96"),  # IPv4-mapped, RFC 4291 section 2.5.5.2
    Network.from_text("64:ff9b::/96"),  # RFC 6052 section 2.1
)

_UNUSED = 8  # octet 64 to 71 of an address, which is none of the IPv4 address's (RFC 6052 section 2.2)


def is_translation(network: Network) -> bool:
    """Return whether IPv4 addresses may stand behind a network as RFC 6052 section 2.2 says."""
    if network.version != 6 or network.prefix_length not in PREFIX_LENGTHS:
        return False
    return network.prefix_length <= _UNUSED * 8 or not network.packed[_UNUSED]


def translations(configured: Sequence[Network]) -> tuple[Network, ...]:
    """Return all prefixes behind which IPv4 addresses stand, the longest first: the well-known ones, and others."""
    every = dict.fromkeys((*WELL_KNOWN_TRANSLATIONS, *configured))
    return tuple(sorted(every, key=lambda network: -network.prefix_length))


def packed_translations(prefixes: Sequence[Network]) -> bytes:
    """Return prefixes as C expects them: 17 octets each, the number of those that count, and an address."""
    return b"".join(bytes((prefix.prefix_length // 8,)) + prefix.packed for prefix in prefixes)


def ipv4_network_within(packed: bytes, prefix_length: int, prefixes: Sequence[Network]) -> Network | None:
    """Return the IPv4 network that an IPv6 network of `prefix_length` bits stands for; None if it stands for none.

    `packed` is an address of 16 octets in it, `prefixes` are those of `translations`. What follows the IPv4 address
    says nothing, nor does the octet that stands within it.
    """
    for prefix in prefixes:
        start = prefix.prefix_length // 8
        if prefix_length >= prefix.prefix_length and packed[:start] == prefix.packed[:start]:
            octets = [place for place in range(start, 16) if place != _UNUSED or start > _UNUSED][:4]
            bits = sum(min(max(prefix_length - place * 8, 0), 8) for place in octets)
            host = 32 - bits
            address = int.from_bytes(bytes(packed[place] for place in octets)) >> host << host
            return Network(address.to_bytes(4), bits)
    return None


def ipv4_within(packed: bytes, prefixes: Sequence[Network]) -> bytes | None:
    """Return the four octets of the IPv4 address within an address of 16 octets; None if there is none."""
    found = ipv4_network_within(packed, 128, prefixes) if len(packed) == 16 else None
    return found.packed if found is not None else None


def as_ipv6(packed: bytes) -> bytes:
    """Return the 16 octets by which an address is compared with others: an IPv4 address is mapped."""
    return WELL_KNOWN_TRANSLATIONS[0].packed[:12] + packed if len(packed) == 4 else packed
