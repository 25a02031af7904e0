"""The OPT record of an upstream's response (RFC 6891), as far as it concerns the hop between the two."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from blockd.dns import types
from blockd.dns.wire import skip_name
from blockd.errors import BadMessage

CLIENT_COOKIE = 8  # octets, RFC 7873 section 4.1
MIN_SERVER_COOKIE = 8  # octets, RFC 7873 section 4.2
MAX_SERVER_COOKIE = 32
COOKIE_SIZES = frozenset(  # octets of a COOKIE option's content
    (CLIENT_COOKIE, *range(CLIENT_COOKIE + MIN_SERVER_COOKIE, CLIENT_COOKIE + MAX_SERVER_COOKIE + 1))
)

_RECORD = struct.Struct(">HHIH")


@dataclass(frozen=True, slots=True)
class Opt:
    """What an OPT record says: the upper bits of the rcode, and the content of its COOKIE option, empty if none."""

    extended: int
    cookie: bytes


def read_opt(message: bytes, question_size: int) -> Opt | None:
    """Return the first OPT record behind the question; None if there is none.

    Raises BadMessage if a record before it is truncated, or the option itself.
    """
    position = types.HEADER_SIZE + question_size
    records = sum(int.from_bytes(message[place : place + 2]) for place in (6, 8, 10))
    for _ in range(records):
        position = skip_name(message, position)
        if position + _RECORD.size > len(message):
            break
        kind, _, ttl, size = _RECORD.unpack_from(message, position)
        position += _RECORD.size
        if position + size > len(message):
            break
        if kind == types.OPT:
            return Opt(ttl >> 24, _cookie(message[position : position + size]))
        position += size
    else:
        return None
    raise BadMessage(types.SERVFAIL, "a record is truncated")


def _cookie(options: bytes) -> bytes:
    position = 0
    while position + 4 <= len(options):
        code, size = struct.unpack_from(">HH", options, position)
        position += 4
        if position + size > len(options):
            raise BadMessage(types.SERVFAIL, "an EDNS option is truncated")
        if code == types.COOKIE_OPTION:
            return options[position : position + size]
        position += size
    return b""
