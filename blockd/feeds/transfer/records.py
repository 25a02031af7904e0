# cython: annotation_typing=False
r"""Records of a message as lines of zone text, `owner TTL IN type data`, written octet by octet.

Names are absolute and in lower case, with every octet that is no letter, digit, hyphen, underscore or asterisk written
`\DDD`, so that one record always gives the same line. Data of a type that is not ordinary here, or that is not what its
type has, is written as `\# length hex` (RFC 3597 section 5), with the names in it as above: its reader looks at it.

`records.pxd` has the types with which this is compiled; then nothing checks an index. A message is hostile: nothing is
read before it is known to lie within, and the text has room for the longest line that a record can give before any of
it is written.
"""

from __future__ import annotations

from blockd.feeds.transfer.unusual import (
    WRITTEN,
    broken_message,
    broken_soa,
    foreign_class,
    foreign_owner,
    generic_data,
)
from blockd.names import MAX_LABEL, MAX_NAME

CLASS_IN = 1
MAX_MESSAGE = 65535  # octets

_A, _NS, _CNAME, _SOA, _TXT, _AAAA = WRITTEN
_IN = CLASS_IN
_MAX_NAME = MAX_NAME
_MAX_LABEL = MAX_LABEL
_MAX_TTL = 0x7FFFFFFF  # seconds; a larger one counts as zero, RFC 2181 section 8
_POINTER = 0xC0  # the top bits of a length octet that make it the first of a pointer, RFC 1035 section 4.1.4
_FIXED = 10  # octets of a record between its owner and its data
_NUMBERS = 20  # octets of the numbers of an SOA record
_LINE = 3 * (4 * MAX_NAME + 1) + 128  # octets of a line with three names, but for what grows with its data
_GROWTH = 7  # octets of text for one of data at most: a string of one octet as ` "\DDD"`
_FIRST_ROOM = 1 << 18  # octets: what a full message of ordinary records gives

_FOLD = bytes(octet + 32 if 65 <= octet <= 90 else octet for octet in range(256))
_PLAIN = bytes(octet if octet in b"abcdefghijklmnopqrstuvwxyz0123456789-_*" else 0 for octet in range(256))

SoaLine = tuple[int, int, int]  # where its line begins and ends in the text, and its serial
Lines = tuple[bytes, list[SoaLine], int]  # text, the SOA lines in it, and where the records end in the message


def record_lines(message: bytes, position: int, count: int, zone: bytes) -> Lines:
    """Return `count` records from `position` on as text; `zone` is the zone's name on the wire, in lower case.

    Raises FeedRefused: format, if a record is cut or an SOA is not valid; foreign, if one is of another class or
    outside the zone.
    """
    size, zone_size = len(message), len(zone)
    if size > MAX_MESSAGE or position > size:
        raise broken_message()
    octets, zone_octets = message, zone
    name = bytearray(MAX_NAME)
    text = bytearray(min(_FIRST_ROOM, _LINE + _GROWTH * size))
    wire, out = name, text
    soas: list[SoaLine] = []
    at = 0
    for _ in range(count):
        end = _read_name(octets, size, position, wire)
        if end < 0 or end + _FIXED > size:
            raise broken_message()
        kind, klass, ttl = _u16(octets, end), _u16(octets, end + 2), _u32(octets, end + 4)
        data = end + _FIXED
        position = data + _u16(octets, end + 8)
        if position > size:
            raise broken_message()
        if klass != _IN:
            raise foreign_class(klass)
        owner_size = _size_of(wire)
        if not _is_within(wire, owner_size, zone_octets, zone_size):
            raise foreign_owner(_name_text(name))
        if at + _LINE + _GROWTH * (position - data) > len(text):
            _make_room(text, at + _LINE + _GROWTH * (position - data))
            out = text
        line = at
        at = owner_end = _put_name(out, at, wire)
        at = _put(out, at, b" ", 1)
        at = _put_number(out, at, ttl if ttl <= _MAX_TTL else 0)
        at = _put(out, at, b" IN ", 4)
        behind = _put_data(out, at, octets, size, data, position, kind, wire)
        if behind >= 0:
            at = behind
        elif kind == _SOA:
            raise broken_soa()
        else:
            unusual = generic_data(message, data, position - data, kind, name_at)
            _make_room(text, at + len(unusual) + 1)
            text[at : at + len(unusual)] = unusual
            out = text
            at += len(unusual)
        at = _put(out, at, b"\n", 1)
        if kind == _SOA:
            if owner_size != zone_size:
                raise foreign_owner(bytes(text[line:owner_end]))
            soas.append((line, at, _u32(octets, position - _NUMBERS)))
    return bytes(text[:at]), soas, position


def name_at(message: bytes, position: int) -> tuple[bytes, int]:
    """Return the name at `position` on the wire, in lower case, and where it ends; -1 if it is none."""
    name = bytearray(MAX_NAME)
    end = _read_name(message, len(message), position, name)
    return (bytes(name[: _size_of(name)]), end) if end >= 0 else (b"", -1)


def _make_room(text: bytearray, octets: int) -> None:
    """Let a text have at least so many octets, and as many again for what follows."""
    if octets > len(text):
        text.extend(bytes(2 * octets - len(text)))


def _name_text(name: bytearray) -> bytes:
    text = bytearray(4 * MAX_NAME + 1)
    return bytes(text[: _put_name(text, 0, name)])


def _u16(octets: bytes, at: int) -> int:
    return octets[at] << 8 | octets[at + 1]


def _u32(octets: bytes, at: int) -> int:
    value = octets[at]
    value = value << 8 | octets[at + 1]
    value = value << 8 | octets[at + 2]
    return value << 8 | octets[at + 3]


def _read_name(octets: bytes, size: int, position: int, wire: bytearray) -> int:
    """Write a name to `wire`, uncompressed and in lower case; return where it ends, -1 if it is none.

    A pointer leads to before the part of the name that it ends, so that every name comes to an end (RFC 1035 section
    4.1.4).
    """
    fold = _FOLD
    at, end, limit = 0, -1, position
    while position < size:
        length = octets[position]
        if length == 0:
            wire[at] = 0
            return position + 1 if end < 0 else end
        if length >= _POINTER:
            if position + 2 > size:
                return -1
            target = (length & ~_POINTER) << 8 | octets[position + 1]
            if end < 0:
                end = position + 2
            if target >= limit:
                return -1
            limit = position = target
            continue
        if length > _MAX_LABEL or at + 2 + length > _MAX_NAME or position + 1 + length > size:
            return -1
        wire[at] = length
        for i in range(1, length + 1):
            wire[at + i] = fold[octets[position + i]]
        at += 1 + length
        position += 1 + length
    return -1


def _size_of(wire: bytearray) -> int:
    """Return the octets of a name that was read."""
    at = 0
    while wire[at]:
        at += 1 + wire[at]
    return at + 1


def _is_within(wire: bytearray, size: int, zone: bytes, zone_size: int) -> bool:
    """Return whether a name is the zone's or stands below it."""
    start = size - zone_size
    if start < 0:
        return False
    for i in range(zone_size):
        if wire[start + i] != zone[i]:
            return False
    at = 0
    while at < start:
        at += 1 + wire[at]
    return at == start


def _put(out: bytearray, at: int, octets: bytes, count: int) -> int:
    """Write octets from `at` on; return where they end. There is room, here as in all that writes."""
    for i in range(count):
        out[at + i] = octets[i]
    return at + count


def _put_number(out: bytearray, at: int, number: int) -> int:
    digits, rest = 1, number // 10
    while rest:
        digits += 1
        rest //= 10
    place = at + digits
    while place > at:
        place -= 1
        out[place] = 48 + number % 10
        number //= 10
    return at + digits


def _put_escaped(out: bytearray, at: int, octet: int) -> int:
    out[at] = 92
    out[at + 1] = 48 + octet // 100
    out[at + 2] = 48 + octet // 10 % 10
    out[at + 3] = 48 + octet % 10
    return at + 4


def _put_name(out: bytearray, at: int, wire: bytearray) -> int:
    plain = _PLAIN
    place, length = 0, wire[0]
    if length == 0:
        out[at] = 46
        return at + 1
    while length:
        for i in range(place + 1, place + 1 + length):
            if plain[wire[i]]:
                out[at] = wire[i]
                at += 1
            else:
                at = _put_escaped(out, at, wire[i])
        out[at] = 46
        at += 1
        place += 1 + length
        length = wire[place]
    return at


def _put_data(
    out: bytearray, at: int, octets: bytes, size: int, data: int, end: int, kind: int, wire: bytearray
) -> int:
    """Write type and data if the type is one of WRITTEN and the data what it has; return where they end, else -1."""
    if kind in (_CNAME, _NS):
        if _read_name(octets, size, data, wire) != end:
            return -1
        at = _put(out, at, b"CNAME ", 6) if kind == _CNAME else _put(out, at, b"NS ", 3)
        return _put_name(out, at, wire)
    if kind == _A and end - data == 4:
        return _put_ipv4(out, _put(out, at, b"A ", 2), octets, data)
    if kind == _AAAA and end - data == 16:
        return _put_ipv6(out, _put(out, at, b"AAAA ", 5), octets, data)
    if kind == _SOA:
        return _put_soa(out, at, octets, size, data, end, wire)
    if kind == _TXT and end > data:
        return _put_strings(out, at, octets, data, end)
    return -1


def _put_ipv4(out: bytearray, at: int, octets: bytes, data: int) -> int:
    for i in range(4):
        if i:
            at = _put(out, at, b".", 1)
        at = _put_number(out, at, octets[data + i])
    return at


def _put_ipv6(out: bytearray, at: int, octets: bytes, data: int) -> int:
    """Write an address as inet_ntop(3) does.

    The first of the longest rows of two or more zero groups is `::`; what holds an IPv4 address ends with its text.
    """
    digits = b"0123456789abcdef"
    gap, gap_size, row = -1, 1, 0
    for i in range(8):
        row = row + 1 if _u16(octets, data + 2 * i) == 0 else 0
        if row > gap_size:
            gap, gap_size = i + 1 - row, row
    i = 0
    while i < 8:
        if i == gap:
            at = _put(out, at, b"::", 2)
            i += gap_size
            continue
        if i and i != gap + gap_size:
            at = _put(out, at, b":", 1)
        if i == 6 and gap == 0 and (gap_size == 6 or (gap_size == 5 and _u16(octets, data + 10) == 0xFFFF)):
            return _put_ipv4(out, at, octets, data + 12)
        group, shift = _u16(octets, data + 2 * i), 12
        while shift and group >> shift == 0:
            shift -= 4
        while shift >= 0:
            out[at] = digits[group >> shift & 15]
            at += 1
            shift -= 4
        i += 1
    return at


def _put_soa(out: bytearray, at: int, octets: bytes, size: int, data: int, end: int, wire: bytearray) -> int:
    at = _put(out, at, b"SOA ", 4)
    for _ in range(2):
        data = _read_name(octets, size, data, wire)
        if data < 0:
            return -1
        at = _put_name(out, at, wire)
        at = _put(out, at, b" ", 1)
    if data + _NUMBERS != end:
        return -1
    for i in range(5):
        at = _put_number(out, at, _u32(octets, data + 4 * i))
        if i < 4:
            at = _put(out, at, b" ", 1)
    return at


def _put_strings(out: bytearray, at: int, octets: bytes, data: int, end: int) -> int:
    """Write strings with a length octet each; return -1 if they do not end with the data."""
    position = data
    while position < end:
        position += 1 + octets[position]
    if position != end:
        return -1
    at = _put(out, at, b"TXT", 3)
    position = data
    while position < end:
        behind = position + 1 + octets[position]
        at = _put(out, at, b' "', 2)
        for i in range(position + 1, behind):
            octet = octets[i]
            if 32 <= octet < 127 and octet not in (34, 92):
                out[at] = octet
                at += 1
            else:
                at = _put_escaped(out, at, octet)
        at = _put(out, at, b'"', 1)
        position = behind
    return at
