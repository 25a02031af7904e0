"""Headers of the PROXY protocol as front ends write them, by HAProxy's proxy-protocol.txt, section 2.2."""

from __future__ import annotations

import socket

SIGNATURE = bytes.fromhex("0d0a0d0a000d0a515549540a")
LOCAL, PROXY = 0x20, 0x21  # version 2, and a command
STREAM, DGRAM = 1, 2
SERVER = {4: "192.0.2.53", 16: "2001:db8::53"}  # whom a client asked, which nobody reads

UNIQUE_ID = b"\5\0\4abcd"  # a TLV


def header(host: str, protocol: int = DGRAM, command: int = PROXY, tlvs: bytes = b"", **other: int) -> bytes:
    """Return a header that says that `host` asks; `family` is another than its own."""
    kind, number = (socket.AF_INET6, 2) if ":" in host else (socket.AF_INET, 1)
    packed = socket.inet_pton(kind, host)
    body = packed + socket.inet_pton(kind, SERVER[len(packed)]) + b"\xd4\x31\0\x35" + tlvs
    return raw(command, other.get("family", number) << 4 | protocol, body, other.get("size"))


def local(body: bytes = b"", kind: int = 0) -> bytes:
    """Return a header of what a front end asks for itself."""
    return raw(LOCAL, kind, body)


def raw(command: int, kind: int, body: bytes, size: int | None = None) -> bytes:
    """Return a header of these octets; `size` is another length than that of `body`."""
    length = len(body) if size is None else size
    return SIGNATURE + bytes((command, kind)) + length.to_bytes(2) + body
