# cython: annotation_typing=False, binding=False
"""How long an answer may be kept by an HTTP cache (RFC 8484 section 5.1)."""

from __future__ import annotations

from blockd.dns import types

_RECORD = 10  # octets of type, class, TTL and length
_POINTER = 0xC0


def freshness_seconds(message: bytes) -> int:
    """Return the least TTL of an answer's records, or of its SOA by RFC 2308 section 5; -1 if it must not be kept.

    The latter is what is no answer to the question, such as SERVFAIL or REFUSED, and what has no TTL.
    """
    size = len(message)
    if size < types.HEADER_SIZE:
        return -1
    rcode = message[3] & types.RCODE
    if rcode not in (types.NOERROR, types.NXDOMAIN):
        return -1
    answers = message[6] << 8 | message[7]
    authorities = message[8] << 8 | message[9]
    at = types.HEADER_SIZE
    for _ in range(message[4] << 8 | message[5]):
        at = _behind_name(message, at) + 4
    least = -1
    for number in range(answers + authorities):
        at = _behind_name(message, at)
        if at + _RECORD > size:
            return -1
        kind = message[at] << 8 | message[at + 1]
        ttl = _number(message, at + 4)
        length = message[at + 8] << 8 | message[at + 9]
        at += _RECORD + length
        if at > size:
            return -1
        if number >= answers:
            if kind != types.SOA or length < 4:
                continue
            ttl = min(ttl, _number(message, at - 4))
        if least < 0 or ttl < least:
            least = ttl
    return least


def _number(message: bytes, at: int) -> int:
    """Return the TTL in four octets; one with the highest bit set is 0 (RFC 2181 section 8)."""
    if message[at] & 0x80:
        return 0
    return message[at] << 24 | message[at + 1] << 16 | message[at + 2] << 8 | message[at + 3]


def _behind_name(message: bytes, at: int) -> int:
    """Return the place behind a name; one outside of the message if the name does not end in it."""
    size = len(message)
    while at < size:
        length = message[at]
        if length >= _POINTER:
            return at + 2
        at += 1 + length
        if not length:
            return at
    return size
