"""For whom a front end asks: the last address in `Forwarded` (RFC 7239) or `X-Forwarded-For`.

Each proxy adds the address of who connected to it, so that the last one is what the front end itself has seen. All
before it may have been made up by the client.
"""

from __future__ import annotations

import re
import socket

from blockd.resolver.clients import host_of_packed

MAX_VALUE = 1 << 10  # octets of the last element that are read

_FOR = re.compile(r"\s*for\s*=\s*(\"[^\"]*\"|[^;\",\s]+)\s*", re.IGNORECASE)
_PORT = re.compile(r":\d{1,5}")


def client_of(header: bytes, values: bytes) -> str | None:
    """Return the last client in the values of `forwarded` or `x-forwarded-for`, an IP address as a socket writes it.

    None if the last element names none that can be read, such as `unknown` or an identifier that is obfuscated.
    """
    try:
        last = values[-MAX_VALUE:].rpartition(b",")[2].decode("ascii").strip()
    except UnicodeDecodeError:
        return None
    if header == b"forwarded":
        found = [match.group(1) for part in last.split(";") if (match := _FOR.fullmatch(part))]
        if len(found) != 1:
            return None
        last = found[0].strip('"')
    return _address(last)


def _address(text: str) -> str | None:
    """Return an address out of one that may have brackets and a port."""
    if text.startswith("["):
        text, _, port = text[1:].partition("]")
        if port and not _PORT.fullmatch(port):
            return None
    elif text.count(":") == 1:
        text, _, port = text.partition(":")
        if not _PORT.fullmatch(f":{port}"):
            return None
    try:
        return host_of_packed(socket.inet_pton(socket.AF_INET6 if ":" in text else socket.AF_INET, text))
    except (OSError, ValueError):  # the latter for a null character
        return None
