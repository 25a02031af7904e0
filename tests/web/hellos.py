from __future__ import annotations

import ssl

import pytest


def hello_stream(name: str | None) -> bytes:
    """The bytes that Python's own TLS client sends first."""
    context = ssl.create_default_context()
    context.check_hostname = False
    outgoing = ssl.MemoryBIO()
    client = context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname=name)
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    return outgoing.read()


def in_records(stream: bytes, size: int) -> bytes:
    """The same handshake in records of at most `size` octets."""
    message = stream[5:]
    parts = [message[start : start + size] for start in range(0, len(message), size)]
    return b"".join(b"\x16\x03\x01" + len(part).to_bytes(2) + part for part in parts)
