"""Names inside a message, compressed or not (RFC 1035 section 4.1.4)."""

from __future__ import annotations

from blockd.dns import types
from blockd.errors import BadMessage
from blockd.names import MAX_LABEL


def skip_name(message: bytes, position: int) -> int:
    """Return where the name at `position` ends; raises BadMessage if it is truncated or of an unknown kind."""
    size = len(message)
    while position < size:
        length = message[position]
        if length == 0:
            return position + 1
        if length >= types.POINTER:
            return position + 2
        if length > MAX_LABEL:
            break
        position += 1 + length
    raise BadMessage(types.FORMERR, "a name is truncated or of an unknown kind")
