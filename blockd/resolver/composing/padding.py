"""Padding of answers to clients that pad, so that their length says little to who sees them encrypted (RFC 8467)."""

from __future__ import annotations

from blockd.dns import types

ANSWER_BLOCK = 468  # octets, RFC 8467 section 4.1: what answers are padded to a multiple of
OPTION_HEAD = 4  # octets: code and length


def padding(size: int, limit: int) -> bytes:
    """Return the PADDING option (RFC 7830) of an answer that has `size` octets without it, and may have `limit`.

    It never makes an answer too long: one that has no room up to a multiple of ANSWER_BLOCK is padded as far as it may
    be, and one that has none for an option is not.
    """
    least = size + OPTION_HEAD
    if least > limit:
        return b""
    content = min(-(-least // ANSWER_BLOCK) * ANSWER_BLOCK, limit) - least
    return types.PADDING_OPTION.to_bytes(2) + content.to_bytes(2) + bytes(content)
