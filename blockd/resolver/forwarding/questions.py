"""Questions as upstreams get them, and whether a message answers one.

RD and AD are set (RFC 6840 section 5.7), CD and DO are the client's. Nothing of the client's own message is in them.
"""

from __future__ import annotations

import struct
from enum import Enum

from blockd.dns import types
from blockd.resolver.cache import CacheKey
from blockd.resolver.options import Randomness
from blockd.resolver.response import is_header_only

_HEADER = struct.Struct(">6H")
_OPT = struct.Struct(">BHHBBHH")
_OPTION = struct.Struct(">HH")
_FOLD = bytes(octet + 32 if 65 <= octet <= 90 else octet for octet in range(256))
_LETTERS = frozenset(range(ord("a"), ord("z") + 1))  # a label's length is never one: it is below 64
_CASE = 0x20


class Fit(Enum):
    """How a message fits a question."""

    NOT = "another ID, question or opcode, or not a response"
    OTHER_CASE = "the question's name has other letters in upper case"
    WHOLE = "octet for octet"


def message_of(
    key: CacheKey, identifier: int, question: bytes, *, with_opt: bool, cookie: bytes = b"", mark: bytes = b""
) -> bytes:
    """Return the message with which an upstream is asked.

    `cookie` is the content of the COOKIE option, if any; without one, `mark` tells by another option whose question it
    is. No other option stands before either.
    """
    _, _, do, cd = key
    flags = types.RD | types.AD | (types.CD if cd else 0)
    message = _HEADER.pack(identifier, flags, 1, 0, 0, int(with_opt)) + question
    if not with_opt:
        return message
    code, content = (types.COOKIE_OPTION, cookie) if cookie else (types.OWN_OPTION, mark)
    options = _OPTION.pack(code, len(content)) + content if content else b""
    return message + _OPT.pack(0, types.OPT, types.MAX_UDP, 0, 0, types.EDNS_DO if do else 0, len(options)) + options


def mixed(question: bytes, randomness: Randomness) -> bytes:
    """Return a question section in lower case with the case of each letter of its name drawn (0x20).

    An answer must have the same case, which somebody who guesses does not know.
    """
    octets = bytearray(question)
    places = [place for place in range(len(question) - 4) if question[place] in _LETTERS]
    bits = randomness(1 << len(places)) if places else 0
    for place in places:
        if bits & 1:
            octets[place] ^= _CASE
        bits >>= 1
    return bytes(octets)


def fit(message: bytes, query: bytes, question_size: int) -> Fit:
    """Return how `message` fits `query`: ID, QR, opcode and question (RFC 5452 section 9.1)."""
    if len(message) < types.HEADER_SIZE or message[:2] != query[:2] or not message[2] & types.QR >> 8:
        return Fit.NOT
    if message[2] & types.OPCODE >> 8 or message[4:6] != b"\0\1":
        return Fit.NOT
    end = types.HEADER_SIZE + question_size
    theirs, ours = message[types.HEADER_SIZE : end], query[types.HEADER_SIZE : end]
    if theirs == ours:
        return Fit.WHOLE
    if theirs[-4:] == ours[-4:] and theirs[:-4].translate(_FOLD) == ours[:-4].translate(_FOLD):
        return Fit.OTHER_CASE
    return Fit.NOT


def is_error_alone(message: bytes, query: bytes) -> bool:
    """Return whether a message is an error without the question, of which nothing but the ID fits `query`."""
    return message[:2] == query[:2] and is_header_only(message)
