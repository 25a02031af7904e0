"""The host that a proxy asks about: a name or an address, in a Host header's form or a URL.

A proxy connects to what its own parser makes of a host. So whatever parsers may read in two ways is refused, and an
address is read in all the forms that getaddrinfo(3) and browsers take for one: else it would be judged as a name.
"""

from __future__ import annotations

import re
import socket
from typing import NamedTuple

from blockd.errors import BadName
from blockd.names import key_from_text
from blockd.web.host import MAX_HOST, limited

MAX_AUTHORITY = 1024  # octets of a URL up to the end of its host, with a name and a password; browsers send none
MAX_PORT = 65535  # RFC 9110 section 4.2 leaves it to the transport, whose ports have 16 bits

_URL = re.compile(rb"[A-Za-z][A-Za-z0-9+.-]{0,30}:(?://)")
_END = re.compile(rb"[/?#]")
# What parsers disagree about, and no host has: a backslash is a slash to browsers (WHATWG URL section 4.4); blanks and
# control octets are dropped by some; an escape may hide any of them.
_AMBIGUOUS = re.compile(rb"[\x00-\x20\x7f\\%<>\"^`{|}@]")
_PORT = re.compile(r"(.*):([0-9]{0,5})", re.ASCII | re.DOTALL)
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*", re.ASCII)  # the last label of an address (WHATWG URL section 3.5)
_NUMBERS = re.compile(r"[0-9a-fx.]+", re.ASCII)


class Host(NamedTuple):
    """A name by its key, or an address of 4 or 16 octets; the other one is empty."""

    key: bytes = b""
    address: bytes = b""


def host_of(octets: bytes) -> Host:
    """Return the host of `HOST` or `HOST:PORT`, as Host and X-Forwarded-Host have it, or CONNECT.

    An IPv6 address may do without its brackets if it has no port. Raises BadName for the reasons of `key_from_text`,
    and: bad port, bad octet.
    """
    octets = octets.strip(b" \t")
    if len(octets) > MAX_HOST:
        raise BadName("too long")
    if _AMBIGUOUS.search(octets) or _END.search(octets):
        raise BadName("bad octet")
    try:
        text = octets.decode("utf-8").lower()
    except UnicodeDecodeError:
        raise BadName("bad octet") from None
    if text.startswith("[") or text.count(":") > 1:
        return Host(address=_ipv6(text))
    if ":" in text:
        text = _without_port(text)
    bare = text.removesuffix(".")
    if _NUMBER.fullmatch(bare.rpartition(".")[2]):
        return Host(address=_ipv4(bare))
    return Host(key=key_from_text(limited(text)))


def host_of_url(octets: bytes) -> Host:
    """Return the host of a URL, or of what CONNECT has in its place, `HOST:PORT`; raises BadName as `host_of` does."""
    octets = octets.strip(b" \t")
    scheme = _URL.match(octets)
    start = scheme.end() if scheme else 0
    end = _END.search(octets, start, start + MAX_AUTHORITY)
    if end is None and len(octets) - start > MAX_AUTHORITY:
        raise BadName("too long")
    authority = octets[start : end.start() if end else len(octets)]
    if b"\\" in authority:
        raise BadName("bad octet")
    if not scheme:
        if authority.endswith(b":"):  # `http:/HOST/`, whose host some take from behind the slash
            raise BadName("bad port")
        return host_of(authority)
    host = authority.rpartition(b"@")[2]  # what stands before it is no part of it
    if host.count(b":") > 1 and not host.startswith(b"["):  # of an address without brackets parsers take a part
        raise BadName("bad port")
    return host_of(host)


def _without_port(text: str) -> str:
    found = _PORT.fullmatch(text)
    if found is None or int(found[2] or 0) > MAX_PORT:
        raise BadName("bad port")
    return found[1]


def _ipv4(text: str) -> bytes:
    """Return an IPv4 address in any of the forms that inet_aton(3) reads: `127.1`, `0x7f.1`, `2130706433`."""
    try:
        if _NUMBERS.fullmatch(text):
            return socket.inet_aton(text)
    except OSError:
        pass
    raise BadName("numeric top label")


def _ipv6(text: str) -> bytes:
    if text.startswith("["):
        text, bracket, port = text[1:].partition("]")
        if not bracket:
            raise BadName("bad octet")
        if port:
            _without_port(port)
            if port[0] != ":":
                raise BadName("bad port")
    try:
        return socket.inet_pton(socket.AF_INET6, text)
    except OSError:
        raise BadName("address") from None
