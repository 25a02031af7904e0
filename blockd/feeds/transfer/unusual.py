"""The unusual in the records of a transfer: data of other types in the generic form, and refusals of records."""

from __future__ import annotations

from collections.abc import Callable

from blockd.errors import FeedRefused
from blockd.printable import unproved

WRITTEN = (1, 2, 5, 6, 16, 28)  # A, NS, CNAME, SOA, TXT, AAAA: `records.py` writes them


# Octets before the names in the data of a type, and how many names: those that may be compressed, or differ in case
# (RFC 3597 section 4, RFC 4034 section 6.2).
_NAMES_IN = {
    3: (0, 1),  # MD
    4: (0, 1),  # MF
    7: (0, 1),  # MB
    8: (0, 1),  # MG
    9: (0, 1),  # MR
    12: (0, 1),  # PTR
    14: (0, 2),  # MINFO
    15: (2, 1),  # MX
    17: (0, 2),  # RP
    18: (2, 1),  # AFSDB
    21: (2, 1),  # RT
    26: (2, 2),  # PX
    33: (6, 1),  # SRV
    35: (4, 1),  # NAPTR, with three strings before the name
    36: (2, 1),  # KX
    39: (0, 1),  # DNAME
}
_NAPTR = 35


def generic_data(
    message: bytes, position: int, size: int, kind: int, name_at: Callable[[bytes, int], tuple[bytes, int]]
) -> bytes:
    """Return type and data of a record as for unknown types (RFC 3597 section 5), names whole and in lower case.

    `name_at` reads a name of a message. Data that are not what the type has are written as they are.
    """
    end = position + size
    before, names = _NAMES_IN.get(kind, (size, 0))
    start = position + before
    if kind == _NAPTR:
        for _ in range(3):
            start += 1 + message[start] if start < end else 0
    parts, at = [message[position:start]], start
    for _ in range(names):
        name, at = name_at(message, at) if at < end else (b"", end + 1)
        parts.append(name)
        if at < 0:
            break
    data = b"".join(parts) if at == end else message[position:end]
    return b"TYPE%d \\# %d %b" % (kind, len(data), data.hex().encode()) if data else b"TYPE%d \\# 0" % kind


def broken_message() -> FeedRefused:
    """Return the refusal of a message that ends within its records."""
    return FeedRefused("format", "a message is cut within its records, or has an invalid name")


def broken_soa() -> FeedRefused:
    """Return the refusal of an invalid SOA record."""
    return FeedRefused("format", "an SOA record is malformed")


def foreign_class(klass: int) -> FeedRefused:
    """Return the refusal of a record of another class."""
    return FeedRefused("foreign", f"a record is of class {klass} instead of IN")


def foreign_owner(owner: bytes) -> FeedRefused:
    """Return the refusal of a record that belongs to another zone."""
    return FeedRefused("foreign", f"the record {unproved(owner)} does not belong to the zone")
