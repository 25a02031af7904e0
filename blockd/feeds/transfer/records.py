r"""Records of a message as lines of zone text, `owner TTL IN type data`, in Python; `_transfer.pyx` does it in C.

Names are absolute and in lower case, with every octet that is no letter, digit, hyphen, underscore or asterisk written
`\DDD`, so that one record always gives the same line. Data of a type that is not ordinary here is written as dnspython
does, or as `\# length hex` (RFC 3597 section 5) where it is not what its type has: its reader then rejects that line.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable

import dns.exception
import dns.rdata
import dns.rdataclass
import dns.rdatatype

from blockd.errors import FeedRefused
from blockd.ruleset.native import is_native

A, NS, CNAME, SOA, TXT, AAAA, OPT = 1, 2, 5, 6, 16, 28, 41
CLASS_IN = 1
META = range(128, 256)  # types that are no data, RFC 6895 section 3.1
MAX_NAME = 255  # octets, RFC 1035 section 2.3.4
MAX_LABEL = 63  # octets
MAX_TTL = (1 << 31) - 1  # seconds; a larger one counts as zero, RFC 2181 section 8
POINTER = 0xC0  # the top bits of a length octet that make it the first of a pointer, RFC 1035 section 4.1.4

_FIXED = struct.Struct(">HHIH")
_NUMBERS = struct.Struct(">5I")
_PLAIN = b"abcdefghijklmnopqrstuvwxyz0123456789-_*"
_UPPER = range(65, 91)
_NAME_TEXT = [
    bytes([octet + 32]) if octet in _UPPER else b"%c" % octet if octet in _PLAIN else b"\\%03d" % octet
    for octet in range(256)
]
_STRING_TEXT = [
    b"%c" % octet if 32 <= octet < 127 and octet not in b'"\\' else b"\\%03d" % octet for octet in range(256)
]

SoaLine = tuple[int, int, int]  # where its line begins and ends in the text, and its serial
Lines = tuple[bytes, list[SoaLine], int]  # text, the SOA lines in it, and where the records end in the message
Reader = Callable[[bytes, int, int, bytes], Lines]


def reader() -> Reader:
    """Give `record_lines` in C where that was built, else in Python."""
    if is_native("blockd.feeds._transfer"):
        from blockd.feeds import _transfer

        return _transfer.record_lines
    return record_lines


def record_lines(message: bytes, position: int, count: int, zone: bytes) -> Lines:
    """Give `count` records from `position` on as text; `zone` is the zone's name on the wire, in lower case.

    Raises FeedRefused: format, where a record is cut or an SOA is none; foreign, where one is of another class or
    stands outside of the zone.
    """
    lines: list[bytes] = []
    soas: list[SoaLine] = []
    written = 0
    for _ in range(count):
        owner, position = read_name(message, position)
        if position < 0 or position + _FIXED.size > len(message):
            raise broken_message()
        kind, klass, ttl, size = _FIXED.unpack_from(message, position)
        position += _FIXED.size
        if position + size > len(message):
            raise broken_message()
        wire = wire_of(owner)
        if klass != CLASS_IN:
            raise foreign_class(klass)
        if not _is_within(owner, wire, zone):
            raise foreign_owner(_name_text(owner))
        data = _data(message, position, size, kind)
        position += size
        line = b"%b %d IN %b\n" % (_name_text(owner), ttl if ttl <= MAX_TTL else 0, data)
        if kind == SOA:
            if not data.startswith(b"SOA "):
                raise broken_soa()
            if wire != zone:
                raise foreign_owner(_name_text(owner))
            [serial] = struct.unpack_from(">I", message, position - _NUMBERS.size)
            soas.append((written, written + len(line), serial))
        written += len(line)
        lines.append(line)
    return b"".join(lines), soas, position


def read_name(message: bytes, position: int) -> tuple[list[bytes], int]:
    """Give a name's labels and where it ends, -1 where it is none (RFC 1035 section 4.1.4).

    A pointer leads to before the part of the name that it ends, so that every name comes to an end.
    """
    labels: list[bytes] = []
    size, end, limit = 1, -1, position
    while position < len(message):
        length = message[position]
        if length == 0:
            return labels, position + 1 if end < 0 else end
        if length >= POINTER:
            if position + 2 > len(message):
                break
            target = (length & ~POINTER) << 8 | message[position + 1]
            end = position + 2 if end < 0 else end
            if target >= limit:
                break
            limit = position = target
            continue
        size += 1 + length
        if length > MAX_LABEL or size > MAX_NAME:
            break
        labels.append(message[position + 1 : position + 1 + length])
        position += 1 + length
    return labels, -1


def wire_of(labels: list[bytes]) -> bytes:
    """Give a name on the wire, in lower case."""
    return b"".join(b"%c%b" % (len(label), label.lower()) for label in labels) + b"\0"


def unusual_data(message: bytes, position: int, size: int, kind: int) -> bytes:
    """Give the type and the data of a record whose type has no writer of its own, or whose data is not what it has."""
    if kind != OPT and kind not in META and kind not in (A, NS, CNAME, SOA, TXT, AAAA):
        try:
            data = dns.rdata.from_wire(
                dns.rdataclass.IN, dns.rdatatype.RdataType.make(kind), message, position, size
            ).to_text()
            text = f"{dns.rdatatype.to_text(dns.rdatatype.RdataType.make(kind))} {data}".encode("ascii")
        except (dns.exception.DNSException, ValueError, UnicodeError):
            text = b""
        if text and b"\n" not in text:
            return text
    return (
        b"TYPE%d \\# %d %b" % (kind, size, message[position : position + size].hex().encode())
        if size
        else (b"TYPE%d \\# 0" % kind)
    )


def broken_message() -> FeedRefused:
    """A message that ends within its records."""
    return FeedRefused("format", "a message is cut within its records, or a name in it is none")


def broken_soa() -> FeedRefused:
    """An SOA record that is none."""
    return FeedRefused("format", "an SOA record is not what an SOA has")


def foreign_class(klass: int) -> FeedRefused:
    """A record of a class that was not asked for."""
    return FeedRefused("foreign", f"a record is of class {klass} instead of IN")


def foreign_owner(owner: bytes) -> FeedRefused:
    """A record that belongs to another zone."""
    return FeedRefused("foreign", f"the record {owner.decode('ascii')[:200]} does not belong to the zone")


def _is_within(labels: list[bytes], wire: bytes, zone: bytes) -> bool:
    if not wire.endswith(zone):
        return False
    left = len(wire) - len(zone)
    for label in labels:
        if left <= 0:
            break
        left -= 1 + len(label)
    return left == 0


def _name_text(labels: list[bytes]) -> bytes:
    if not labels:
        return b"."
    return b"".join(b"".join([_NAME_TEXT[octet] for octet in label]) + b"." for label in labels)


def _data(message: bytes, position: int, size: int, kind: int) -> bytes:
    end = position + size
    if kind == A and size == 4:
        return b"A %d.%d.%d.%d" % tuple(message[position:end])
    if kind == AAAA and size == 16:
        return b"AAAA " + socket.inet_ntop(socket.AF_INET6, message[position:end]).encode()
    if kind in (CNAME, NS):
        name, behind = read_name(message, position)
        if behind == end:
            return (b"CNAME " if kind == CNAME else b"NS ") + _name_text(name)
    elif kind == SOA:
        first, behind = read_name(message, position)
        if behind >= 0:
            second, behind = read_name(message, behind)
            if behind >= 0 and behind + _NUMBERS.size == end:
                numbers = b" ".join(b"%d" % number for number in _NUMBERS.unpack_from(message, behind))
                return b"SOA %b %b %b" % (_name_text(first), _name_text(second), numbers)
    elif kind == TXT and size:
        strings = []
        while position < end:
            behind = position + 1 + message[position]
            strings.append(b"".join([_STRING_TEXT[octet] for octet in message[position + 1 : behind]]))
            position = behind
        if position == end:
            return b"TXT " + b" ".join(b'"%b"' % string for string in strings)
    return unusual_data(message, end - size, size, kind)
