"""Networks that are set aside for special purposes, and lead to no public host.

They are those of the IANA registries of special-purpose addresses (RFC 6890, RFC 8190) as of 2024, and multicast
(RFC 5771, RFC 4291 section 2.7). 64:ff9b::/96 is left out: it stands for all of IPv4 (RFC 6052).
"""

from __future__ import annotations

from bisect import bisect_right

from blockd.names.network import Network

_TEXTS = (
    *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24"),
    *("192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16", "192.175.48.0/24"),
    *("198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4"),
    *("::/128", "::1/128", "::ffff:0:0/96", "64:ff9b:1::/48", "100::/64", "2001::/23", "2001:db8::/32", "2002::/16"),
    *("2620:4f:8000::/48", "3fff::/20", "5f00::/16", "fc00::/7", "fe80::/10", "ff00::/8"),
)
SPECIAL_PURPOSE = tuple(map(Network.from_text, _TEXTS))


def _ranges(size: int) -> list[tuple[int, int]]:
    """Return the first and the last address of each range of addresses of `size` octets, in ascending order."""
    found: list[tuple[int, int]] = []
    for network in sorted(one for one in SPECIAL_PURPOSE if len(one.packed) == size):
        first = int.from_bytes(network.packed)
        last = first + (1 << size * 8 - network.prefix_length) - 1
        if found and found[-1][1] + 1 == first:  # a network may span neighbours
            found[-1] = (found[-1][0], last)
        else:
            found.append((first, last))
    return found


_RANGES = {size: _ranges(size) for size in (4, 16)}
_STARTS = {size: [first for first, _ in ranges] for size, ranges in _RANGES.items()}


def is_special_purpose(packed: bytes, prefix_length: int) -> bool:
    """Return whether all of a network is set aside; `packed` is its address, of 4 or 16 octets, without host bits."""
    size = len(packed)
    first = int.from_bytes(packed)
    at = bisect_right(_STARTS[size], first) - 1
    return at >= 0 and first + (1 << size * 8 - prefix_length) - 1 <= _RANGES[size][at][1]
