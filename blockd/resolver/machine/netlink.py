"""Messages to the kernel, and its answers to them, by netlink(7)."""

from __future__ import annotations

import struct

HEADER = struct.Struct("=IHHII")  # struct nlmsghdr: length with this, type, flags, sequence number, port
_REQUEST = 1  # NLM_F_REQUEST


def message(kind: int, body: bytes, number: int = 1) -> bytes:
    """Return a request of a type (`nlmsg_type`), whose answers have its sequence number; a body is of whole words."""
    return HEADER.pack(HEADER.size + len(body), kind, _REQUEST, number, 0) + body
