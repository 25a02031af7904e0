# cython: annotation_typing=False
r"""The words of a zone file's lines (RFC 1035 section 5.1): quotes, escapes, comments, parentheses, names and TTLs.

`tokens.pxd` has the types with which this is compiled; then nothing checks an index.
"""

from __future__ import annotations

import re

from blockd.errors import BadName
from blockd.names import MAX_LABEL
from blockd.names.domain import MAX_KEY

MAX_TTL = 0x7FFFFFFF  # seconds, RFC 2181 section 8
_MAX_WRITTEN = 0xFFFFFFFF  # seconds: what 32 bits hold
_MAX_TTL_TEXT = 64  # octets: five numbers with their units are fewer
_MAX_DIGITS = 9  # of a number that is a TTL in any case

_TTL = re.compile(rb"(?=\d)(?:\d++[smhdw])*+\d*+", re.IGNORECASE)  # nothing is tried twice: the time is linear
_TTL_PART = re.compile(rb"(\d++)([smhdw]?)", re.IGNORECASE)
_UNITS = {b"": 1, b"s": 1, b"m": 60, b"h": 3600, b"d": 86_400, b"w": 604_800}
_FOLD = bytes(octet + 32 if 65 <= octet <= 90 else octet for octet in range(256))

_QUOTE, _OPENING, _CLOSING, _DOT, _ZERO, _NINE, _SEMICOLON, _BACKSLASH = b'"().09;\\'
_BLANK, _ENDING, _ESCAPING = 1, 2, 3  # octets between words, those that end a word, and the backslash
_KINDS = bytes(
    _BLANK if octet in b" \t\r\f\v\n" else _ENDING if octet in b';()"' else _ESCAPING if octet == 92 else 0
    for octet in range(256)
)
_MAX_STRING = 255  # octets, RFC 1035 section 3.3
_MAX_LABEL = MAX_LABEL
_MAX_KEY = MAX_KEY
_ROOM = MAX_KEY + 4  # octets of a name: whether it is absolute, the labels, and one for what is too long
_EMPTY_LABEL, _LABEL_TOO_LONG, _BAD_CHARACTER = -1, -2, -3
_REASONS = {_EMPTY_LABEL: "empty label", _LABEL_TOO_LONG: "label too long", _BAD_CHARACTER: "bad character"}


def tokens_of(line: bytes, depth: int) -> tuple[list[bytes], int]:
    """Return a line's words, with quotes and escapes unchanged, and how many parentheses are open after it.

    `depth` parentheses are open before it. Raises BadName("bad text") for a quote that is not closed, a lone backslash,
    or an unmatched closing parenthesis.
    """
    octets, kinds, size = line, _KINDS, len(line)
    words: list[bytes] = []
    at = 0
    while at < size:
        octet = octets[at]
        if kinds[octet] == _BLANK:
            at += 1
            continue
        start = at
        at += 1
        if kinds[octet] != _ENDING:
            at = _word_end(octets, start, size, kinds)
        elif octet == _QUOTE:
            at = _quote_end(octets, at, size)
        elif octet == _OPENING:
            depth += 1
            continue
        elif octet == _CLOSING:
            depth -= 1
            if depth < 0:
                raise BadName("bad text")
            continue
        else:  # a comment
            break
        if at > size:
            raise BadName("bad text")
        words.append(line[start:at])
    return words, depth


def _word_end(octets: bytes, at: int, size: int, kinds: bytes) -> int:
    """Return where a word ends; more than `size` if a backslash is its last octet."""
    while at < size:
        kind = kinds[octets[at]]
        if kind == _ESCAPING:
            at += 2
        elif kind:
            break
        else:
            at += 1
    return at


def _quote_end(octets: bytes, at: int, size: int) -> int:
    """Return where a quoted word ends, given where its first octet behind the quote is; more than `size` if nowhere."""
    while at < size:
        octet = octets[at]
        if octet == _QUOTE:
            return at + 1
        at += 2 if octet == _BACKSLASH else 1
    return size + 1


def name_key(text: bytes, origin: bytes | None) -> bytes:
    r"""Return the key of a name as zone files write it: `@` is `origin`, and relative names are below it.

    `\.` and `\DDD` are octets of a label. Raises BadName: no origin (it is None and needed), empty label, label too
    long, too long, bad character (an octet over 127 that is not escaped, or a bad escape).
    """
    if text == b".":
        return b""
    name = bytearray(2 * _ROOM)
    octets, fold = name, _FOLD
    size = 0
    if text != b"@":
        size = _read_name(text, len(text), octets, False)
        if size < 0:
            raise BadName(_REASONS[size])
    above = origin
    if octets[0]:
        above = b""
    if above is None:
        raise BadName("no origin")
    if len(above) + size > _MAX_KEY:
        raise BadName("too long")
    at, end = 1, _ROOM + size
    while at <= size:
        length = octets[at] + 1
        end -= length
        octets[end] = length - 1
        for i in range(1, length):
            octets[end + i] = fold[octets[at + i]]
        at += length
    return above + bytes(name[_ROOM : _ROOM + size])


def name_wire(text: bytes, origin: bytes) -> bytes:
    r"""Return a name of a record's data in wire form, in the case that it has, given the wire form of its origin.

    Unlike owners, it may have no digits behind a backslash that are not three. Raises BadName as `name_key` does.
    """
    if text == b".":
        return b"\0"
    if text == b"@":
        return origin
    name = bytearray(_ROOM)
    size = _read_name(text, len(text), name, True)
    if size < 0:
        raise BadName(_REASONS[size])
    above = b"\0" if name[0] else origin
    if size + len(above) > _MAX_KEY + 1:
        raise BadName("too long")
    return bytes(name[1 : 1 + size]) + above


def _read_name(text: bytes, size: int, name: bytearray, is_strict: bool) -> int:
    """Write 1 to `name` if it is absolute, else 0, then its labels as on the wire; return how many octets these have.

    Or return which error it has. Of a name that is too long not all is written.
    """
    head, put, at = 1, 2, 0
    is_absolute = False
    while at <= size:
        octet = text[at] if at < size else _DOT
        at += 1
        if octet == _DOT:
            if put - head == 1:
                return _EMPTY_LABEL
            if put - head - 1 > _MAX_LABEL:
                return _LABEL_TOO_LONG
            if head < _ROOM:
                name[head] = put - head - 1
            head = put
            put += 1
            if at == size:
                is_absolute = True
                break
            continue
        if octet == _BACKSLASH:
            if at >= size:
                return _BAD_CHARACTER
            octet = text[at]
            at += 1
            if _ZERO <= octet <= _NINE:
                if at + 1 < size and _ZERO <= text[at] <= _NINE and _ZERO <= text[at + 1] <= _NINE:
                    octet = (octet - _ZERO) * 100 + (text[at] - _ZERO) * 10 + text[at + 1] - _ZERO
                    at += 2
                    if octet > 255:
                        return _BAD_CHARACTER
                elif is_strict:
                    return _BAD_CHARACTER
        elif octet > 127:
            return _BAD_CHARACTER
        if put < _ROOM:
            name[put] = octet
        put += 1
    name[0] = is_absolute
    return head - 1


def string_wire(word: bytes) -> bytes:
    r"""Return a string of a record's data in wire form (RFC 1035 section 3.3), given with its quotes and escapes.

    Raises BadName: too long, bad character (a bad escape).
    """
    made = bytearray(_MAX_STRING + 1)
    text, string, at, end = word, made, 0, len(word)
    if end > 1 and text[0] == _QUOTE:
        at, end = 1, end - 1
    put = 1
    while at < end:
        octet = text[at]
        at += 1
        if octet == _BACKSLASH:
            if at >= end:
                raise BadName("bad character")
            octet = text[at]
            at += 1
            if _ZERO <= octet <= _NINE:
                if at + 1 >= end or not (_ZERO <= text[at] <= _NINE and _ZERO <= text[at + 1] <= _NINE):
                    raise BadName("bad character")
                octet = (octet - _ZERO) * 100 + (text[at] - _ZERO) * 10 + text[at + 1] - _ZERO
                at += 2
                if octet > 255:
                    raise BadName("bad character")
        if put > _MAX_STRING:
            raise BadName("too long")
        string[put] = octet
        put += 1
    string[0] = put - 1
    return bytes(made[:put])


def ttl_of(word: bytes) -> int | None:
    """Return the seconds of a TTL, plain or as `1h30m`; None if the word is not a TTL.

    A TTL with the highest of its 32 bits set is 0 (RFC 2181 section 8). Raises BadName("bad TTL") if it needs more.
    """
    if not word[:1].isdigit():
        return None
    if len(word) <= _MAX_DIGITS and word.isdigit():
        return int(word)
    if not _TTL.fullmatch(word):
        return None
    if len(word) > _MAX_TTL_TEXT:
        raise BadName("bad TTL")
    ttl = sum([int(number) * _UNITS[unit.lower()] for number, unit in _TTL_PART.findall(word)])
    if ttl > _MAX_WRITTEN:
        raise BadName("bad TTL")
    return ttl if ttl <= MAX_TTL else 0
