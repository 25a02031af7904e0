"""Networks where no site is: those of the special-purpose registries of IANA (RFC 6890), multicast, and reserved ones.

The registries are those for IPv4 and IPv6 as of 2025, each network by the widest entry that contains it. Multicast has
registries of its own (RFC 5771, RFC 4291 section 2.7). Of IPv6, all that is not 2000::/3 is reserved by the IETF (RFC
4291 section 4) unless it is named here.
"""

from __future__ import annotations

import ipaddress
from bisect import bisect_left, bisect_right

PRIVATE = "private use"
DOCUMENTATION = "documentation"
IETF = "IETF protocol assignments"
SERVICE = "AS112 or AMT"
SIX_TO_FOUR = "6to4"
RESERVED = "reserved"

SPECIAL_PURPOSE: tuple[tuple[str, str], ...] = (
    ("0.0.0.0/8", "this network"),  # RFC 791 section 3.2
    ("10.0.0.0/8", PRIVATE),  # RFC 1918
    ("100.64.0.0/10", "shared address space"),  # RFC 6598
    ("127.0.0.0/8", "loopback"),  # RFC 1122 section 3.2.1.3
    ("169.254.0.0/16", "link local"),  # RFC 3927
    ("172.16.0.0/12", PRIVATE),
    ("192.0.0.0/24", IETF),  # RFC 6890 section 2.1
    ("192.0.2.0/24", DOCUMENTATION),  # RFC 5737
    ("192.31.196.0/24", SERVICE),  # RFC 7535
    ("192.52.193.0/24", SERVICE),  # RFC 7450
    ("192.88.99.0/24", SIX_TO_FOUR),  # RFC 7526
    ("192.168.0.0/16", PRIVATE),
    ("192.175.48.0/24", SERVICE),  # RFC 7534
    ("198.18.0.0/15", "benchmarking"),  # RFC 2544
    ("198.51.100.0/24", DOCUMENTATION),
    ("203.0.113.0/24", DOCUMENTATION),
    ("224.0.0.0/4", "multicast"),
    ("240.0.0.0/4", RESERVED),  # RFC 1112 section 4; with 255.255.255.255, limited broadcast
    ("::/128", "unspecified"),  # RFC 4291 section 2.5.2
    ("::1/128", "loopback"),  # RFC 4291 section 2.5.3
    ("::ffff:0:0/96", "IPv4-mapped"),  # RFC 4291 section 2.5.5.2
    ("64:ff9b::/96", "NAT64"),  # RFC 6052
    ("64:ff9b:1::/48", "NAT64"),  # RFC 8215
    ("100::/64", "discard only"),  # RFC 6666
    ("100:0:0:1::/64", RESERVED),  # RFC 9780
    ("2001::/23", IETF),  # RFC 2928; Teredo, benchmarking and ORCHID among them
    ("2001:db8::/32", DOCUMENTATION),  # RFC 3849
    ("2002::/16", SIX_TO_FOUR),  # RFC 3056
    ("2620:4f:8000::/48", SERVICE),  # RFC 7534
    ("3fff::/20", DOCUMENTATION),  # RFC 9637
    ("5f00::/16", "segment routing"),  # RFC 9602
    ("fc00::/7", "unique local"),  # RFC 4193
    ("fe80::/10", "link local"),  # RFC 4291 section 2.5.6
    ("ff00::/8", "multicast"),
)
REASONS = tuple(dict.fromkeys(reason for _, reason in SPECIAL_PURPOSE))
"""The words for what a network is set aside for, in the order of the table."""

_GLOBAL_UNICAST_TOP = 0b001  # 2000::/3

# Of each number of octets: where the networks begin and end, ascending, and what each is.
_Ranges = tuple[list[int], list[int], list[str]]


def _ranges(version: int) -> _Ranges:
    networks = [(ipaddress.ip_network(text), reason) for text, reason in SPECIAL_PURPOSE]
    own = sorted((int(net[0]), int(net[-1]), reason) for net, reason in networks if net.version == version)
    return [first for first, _, _ in own], [last for _, last, _ in own], [reason for _, _, reason in own]


_BY_SIZE: dict[int, _Ranges] = {4: _ranges(4), 16: _ranges(6)}

ORDINARY_TOPS = frozenset(range(256)) - {
    octet for first, last in zip(*_BY_SIZE[4][:2], strict=True) for octet in range(first >> 24, (last >> 24) + 1)
}
"""First octets of IPv4 addresses that are in no network of the table, whatever follows."""


def special_purpose(packed: bytes, prefix_length: int) -> str:
    """Return what a network, or a part of it, is set aside for; empty if it is ordinary.

    `packed` has 4 or 16 octets, host bits clear.
    """
    first = int.from_bytes(packed)
    return special_range(first, first | (1 << len(packed) * 8 - prefix_length) - 1, len(packed))


def special_range(first: int, last: int, size: int) -> str:
    """Return what a range of addresses of `size` octets, or a part of it, is set aside for; empty if it is ordinary."""
    starts, ends, reasons = _BY_SIZE[size]
    at = bisect_left(ends, first)  # the first network that does not end before
    if at < bisect_right(starts, last):
        return reasons[at]
    is_ordinary = size == 4 or first >> 125 == last >> 125 == _GLOBAL_UNICAST_TOP
    return "" if is_ordinary else RESERVED


_STANDING_FOR_IPV4 = ipaddress.ip_network("64:ff9b::/96")  # all of IPv4 (RFC 6052): not set aside as a whole


def _merged(version: int) -> tuple[list[int], list[int]]:
    """Return where the ranges that are set aside begin and end, ascending; a network may span neighbours."""
    networks = [ipaddress.ip_network(text) for text, _ in SPECIAL_PURPOSE]
    own = sorted((int(n[0]), int(n[-1])) for n in networks if n.version == version and n != _STANDING_FOR_IPV4)
    found: list[list[int]] = []
    for first, last in own:
        if found and found[-1][1] + 1 == first:
            found[-1][1] = last
        else:
            found.append([first, last])
    return [first for first, _ in found], [last for _, last in found]


_MERGED = {4: _merged(4), 16: _merged(6)}

FIRST_OCTETS = {
    size: frozenset(
        octet
        for first, last in zip(*_MERGED[size], strict=True)
        for octet in range(first >> size * 8 - 8, (last >> size * 8 - 8) + 1)
    )
    for size in (4, 16)
}
"""By the number of an address's octets, the first octets that addresses set aside have."""


def is_special_purpose(packed: bytes, prefix_length: int) -> bool:
    """Return whether all of a network is set aside; `packed` is its address, of 4 or 16 octets, without host bits."""
    starts, ends = _MERGED[len(packed)]
    first = int.from_bytes(packed)
    at = bisect_right(starts, first) - 1
    return at >= 0 and first + (1 << len(packed) * 8 - prefix_length) - 1 <= ends[at]
