r"""The words of a zone file's lines (RFC 1035 section 5.1): quotes, escapes, comments, parentheses, names and TTLs."""

from __future__ import annotations

import re
from typing import NamedTuple

from blockd.errors import BadName
from blockd.names import MAX_LABEL
from blockd.names.domain import MAX_KEY

MAX_TTL = 0x7FFFFFFF  # seconds, RFC 2181 section 8
_MAX_WRITTEN = 0xFFFFFFFF  # seconds: what 32 bits hold
_MAX_TTL_TEXT = 64  # octets: five numbers with their units are fewer

_WORD = re.compile(rb'[ \t\r\f\v]+|;.*|[()]|"(?:[^"\\]|\\.)*"|(?:[^\s;()"\\]|\\.)+', re.DOTALL)
_SPECIAL = re.compile(rb'[;()"\\]')
_ESCAPED = re.compile(rb"\\(?:(\d{3})|(.))|([^\\])", re.DOTALL)
_TTL = re.compile(rb"(?=\d)(?:\d++[smhdw])*+\d*+", re.IGNORECASE)  # nothing is tried twice: the time is linear
_TTL_PART = re.compile(rb"(\d++)([smhdw]?)", re.IGNORECASE)
_UNITS = {b"": 1, b"s": 1, b"m": 60, b"h": 3600, b"d": 86_400, b"w": 604_800}
_FOLD = bytes(octet + 32 if 65 <= octet <= 90 else octet for octet in range(256))


class Tokens(NamedTuple):
    """The words of one line, and how many parentheses are open after it."""

    words: list[bytes]
    depth: int


def tokens_of(line: bytes, depth: int) -> Tokens:
    """Return a line's words, with quotes and escapes unchanged; `depth` parentheses are open before it.

    Raises BadName("bad text") for a quote that is not closed, a lone backslash, or an unmatched closing parenthesis.
    """
    if _SPECIAL.search(line) is None:
        return Tokens(line.split(), depth)
    words: list[bytes] = []
    position = 0
    for match in _WORD.finditer(line):
        if match.start() != position:
            break
        position = match.end()
        word = match[0]
        first = word[:1]
        if first == b"(":
            depth += 1
        elif first == b")":
            depth -= 1
            if depth < 0:
                raise BadName("bad text")
        elif first not in b" \t\r\f\v;":
            words.append(word)
    if position != len(line):
        raise BadName("bad text")
    return Tokens(words, depth)


def name_key(text: bytes, origin: bytes | None) -> bytes:
    r"""Return the key of a name as zone files write it: `@` is `origin`, and relative names are below it.

    `\.` and `\DDD` are octets of a label. Raises BadName: no origin (it is None and needed), empty label, label too
    long, too long, bad character (an octet over 127 that is not escaped, or a bad escape).
    """
    if text == b".":
        return b""
    absolute = False
    labels: list[bytes] = []
    if text != b"@" and b"\\" not in text and text.isascii():
        absolute = text.endswith(b".")
        labels = text.split(b".")
        if absolute:
            labels.pop()
        labels = [_with_length(label) for label in labels]
    elif text != b"@":
        label = bytearray()
        position = 0
        while position < len(text):
            match = _ESCAPED.match(text, position)
            if match is None or (match[1] and int(match[1]) > 255) or (match[3] and match[3] > b"\x7f"):
                raise BadName("bad character")
            position = match.end()
            if match[3] == b".":
                _close(labels, label)
                absolute = position == len(text)
                label = bytearray()
            else:
                label += bytes((int(match[1]),)) if match[1] else match[2] or match[3]
        if not absolute:
            _close(labels, label)
    if not absolute and origin is None:
        raise BadName("no origin")
    labels.reverse()
    key = (b"" if absolute else origin or b"") + b"".join(labels).translate(_FOLD)
    if len(key) > MAX_KEY:
        raise BadName("too long")
    return key


def ttl_of(word: bytes) -> int | None:
    """Return the seconds of a TTL, plain or as `1h30m`; None if the word is not a TTL.

    A TTL with the highest of its 32 bits set is 0 (RFC 2181 section 8). Raises BadName("bad TTL") if it needs more.
    """
    if not _TTL.fullmatch(word):
        return None
    if len(word) > _MAX_TTL_TEXT:
        raise BadName("bad TTL")
    ttl = sum(int(number) * _UNITS[unit.lower()] for number, unit in _TTL_PART.findall(word))
    if ttl > _MAX_WRITTEN:
        raise BadName("bad TTL")
    return ttl if ttl <= MAX_TTL else 0


def _close(labels: list[bytes], label: bytearray) -> None:
    labels.append(_with_length(bytes(label)))


def _with_length(label: bytes) -> bytes:
    if not label:
        raise BadName("empty label")
    if len(label) > MAX_LABEL:
        raise BadName("label too long")
    return b"%c%b" % (len(label), label)
