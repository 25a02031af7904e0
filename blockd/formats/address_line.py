"""Parsing of one line of a list of addresses: the networks that it names, or why it names none."""

from __future__ import annotations

import re
import socket

from blockd.errors import BadName
from blockd.formats.line import BLANK, line_content
from blockd.names import address_key
from blockd.names.special_purpose import special_purpose, special_range

MAX_RANGE = 62  # networks of one range: any of IPv4 takes at most so many, two of each length but /0 and /1

NO_ADDRESS = "no address"
BAD_ADDRESS = "bad address"
LEADING_ZERO = "leading zero"
ZONE_ID = "zone id"
BAD_PREFIX = "bad prefix"
HOST_BITS = "host bits set"
BAD_RANGE = "bad range"
MORE_TEXT = "text after the address"

REASONS = {
    NO_ADDRESS: "it holds something else, such as a name",
    MORE_TEXT: "something follows the address that is not a comment",
    BAD_ADDRESS: "it looks like an address and is none: too few octets, one over 255, a port",
    LEADING_ZERO: "an octet is written as 01 or 010, which some programs read as octal",
    ZONE_ID: "an interface is named (RFC 4007), as in fe80::1%eth0",
    BAD_PREFIX: "what follows the slash is not a number of bits",
    HOST_BITS: "a network has address bits behind its prefix: one of both is wrong",
    BAD_RANGE: "a range ends before it begins, mixes IPv4 and IPv6, or would take too many networks",
    "NUL": "it has a NUL octet",
    "too long": "it is longer than any line with an address",
}
"""Why a line names no network, in a sentence; a network may also be set aside for a special purpose."""

_SHAPE = re.compile(r"[0-9.]*[0-9][0-9.]*|[0-9a-f:.]*:[0-9a-f:.]*", re.ASCII | re.IGNORECASE)
_BLANK = re.compile(r"[ \t]")
_PREFIX = re.compile(r"0|[1-9][0-9]{0,2}", re.ASCII)
_ZERO = re.compile(r"(?:^|\.)0[0-9]", re.ASCII)


def line_networks(line: bytes, number: int) -> list[bytes]:
    """Return the keys of the networks that a line names: none for a blank line or a comment, several for a range.

    `line` comes without its line feed, `number` counts from 1. Raises BadName with the reason.
    """
    content = line_content(line, number)
    content = content.partition(b"#")[0].partition(b";")[0].rstrip(BLANK)  # no address has either
    if not content:
        return []
    if b"\0" in content:
        raise BadName("NUL")
    try:
        text = content.decode("ascii")
    except UnicodeDecodeError as error:
        raise BadName(NO_ADDRESS) from error
    first, dash, last = text.partition("-")
    return _range(first.rstrip(" \t"), last.lstrip(" \t")) if dash else [network_key(text)]


def network_key(text: str) -> bytes:
    """Return the key of an address or network that may be listed; raises BadName for every other text."""
    address, slash, prefix_text = text.partition("/")
    packed = _packed(address)
    bits = len(packed) * 8
    if slash and not (_PREFIX.fullmatch(prefix_text) and int(prefix_text) <= bits):
        raise BadName(BAD_PREFIX)
    prefix = int(prefix_text) if slash else bits
    key = address_key(packed, prefix)
    if key[2:] != packed:
        raise BadName(HOST_BITS)
    return _ordinary(key)


def _range(first_text: str, last_text: str) -> list[bytes]:
    """Return the fewest networks that hold the addresses from one to another, both included, and no other."""
    start, end = _packed(first_text), _packed(last_text)
    if len(start) != len(end) or start > end:
        raise BadName(BAD_RANGE)
    size, bits = len(start), len(start) * 8
    first, last = int.from_bytes(start), int.from_bytes(end)
    if reason := special_range(first, last, size):  # once, for all of its networks
        raise BadName(reason)
    keys: list[bytes] = []
    while first <= last:
        if len(keys) == MAX_RANGE:
            raise BadName(BAD_RANGE)
        aligned = (first & -first).bit_length() - 1 if first else bits
        host_bits = min(aligned, (last - first + 1).bit_length() - 1)
        keys.append(address_key(first.to_bytes(size), bits - host_bits))
        first += 1 << host_bits
    return keys


def _ordinary(key: bytes) -> bytes:
    """Return a key whose network may be listed, however wide it is; raises BadName for the others."""
    packed, prefix = key[2:], key[1]
    if reason := special_purpose(packed, prefix):
        raise BadName(reason)
    return key


def _packed(text: str) -> bytes:
    """Return the octets of an address as text; raises BadName."""
    try:
        if ":" in text:
            return socket.inet_pton(socket.AF_INET6, text)
        return socket.inet_pton(socket.AF_INET, text)
    except (OSError, ValueError):
        raise BadName(_wrong(text)) from None


def _wrong(text: str) -> str:
    """Return why a text is not an address."""
    if "%" in text and ":" in text:
        return ZONE_ID
    if not _SHAPE.fullmatch(text):
        return MORE_TEXT if _SHAPE.fullmatch(_BLANK.split(text, 1)[0]) else NO_ADDRESS
    return LEADING_ZERO if ":" not in text and _ZERO.search(text) else BAD_ADDRESS
