"""Padding of questions that are encrypted, so that their length says little (RFC 7830, RFC 8467)."""

from __future__ import annotations

from blockd.dns import types

BLOCK = 128  # octets, RFC 8467 section 4.1: for questions
_OPTION_HEAD = 4  # octets: code and length
_ONE_QUESTION = b"\0\1\0\0\0\0\0\1"  # the counts of a question with OPT alone behind it


def padded(message: bytes) -> bytes:
    """Return a question with its OPT record padded so that its length is a multiple of BLOCK.

    A message that is not one question with an OPT record behind it, or that is padded already, is returned as it is.
    """
    at = _options_at(message)
    if at is None or _has_padding(message, at):
        return message
    size = -(len(message) + _OPTION_HEAD) % BLOCK
    added = types.PADDING_OPTION.to_bytes(2) + size.to_bytes(2) + bytes(size)
    options = len(message) - at + len(added)
    if len(message) + len(added) > types.MAX_TCP:
        return message
    return b"".join((message[: at - 2], options.to_bytes(2), message[at:], added))


def _options_at(message: bytes) -> int | None:
    """Return where the options of the OPT record begin that ends the message; None if there is no such record."""
    if message[4 : types.HEADER_SIZE] != _ONE_QUESTION:
        return None
    at = types.HEADER_SIZE
    while at < len(message) and 0 < (length := message[at]) < types.POINTER:
        at += 1 + length
    at += 5  # the root label, type and class of the question
    options = at + types.OPT_SIZE
    if message[at : at + 3] != b"\0" + types.OPT.to_bytes(2):
        return None
    return options if options + int.from_bytes(message[options - 2 : options]) == len(message) else None


def _has_padding(message: bytes, at: int) -> bool:
    """Return whether the options from `at` on have padding; also if they are malformed, and are left alone."""
    while at + _OPTION_HEAD <= len(message):
        if int.from_bytes(message[at : at + 2]) == types.PADDING_OPTION:
            return True
        at += _OPTION_HEAD + int.from_bytes(message[at + 2 : at + 4])
    return at != len(message)
