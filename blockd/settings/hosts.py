"""Text of hosts: an IP address with or without a port, a zone, a name; and the addresses that stand for no one host."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address, ip_address

from blockd.errors import BadName
from blockd.names import DomainName
from blockd.settings.values import shown

MAX_TEXT = 320  # characters: a bracketed address, a port and a name of 255 octets with room
LOOPBACK_OF = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - where this machine reaches what is on all addresses

_BROADCAST = IPv4Address("255.255.255.255")  # RFC 919 section 7
# An address, or a bracketed one, then perhaps a port. A bare IPv6 address has no port.
_HOST_PORT = re.compile(r"(?:\[(?P<v6>[^\]]*)\]|(?P<v4>[^:\[\]]*))(?::(?P<port>\d{1,5}))?", re.ASCII)
_ZONE = re.compile(r"(?:(?![/%:#\[\];])[!-~]){1,15}")  # an interface's name in Linux, of IFNAMSIZ - 1 octets


def host_and_port(text: str, default_port: int | None, *, zone: bool = False) -> tuple[str, int] | None:
    """Return the host in its usual form and the port; None if the text is neither, or lacks a port it needs.

    With `zone`, a link-local IPv6 address may have the zone that it belongs to (RFC 4007 section 11), and keeps it.
    """
    if len(text) > MAX_TEXT or ("%" in text and not zone):
        return None
    if default_port is not None and text.count(":") > 1 and not text.startswith("["):
        text = f"[{text}]"
    match = _HOST_PORT.fullmatch(text)
    if match is None:
        return None
    port = default_port if match["port"] is None else int(match["port"])
    if port is None or not 1 <= port <= 65535:
        return None
    try:
        host = IPv4Address(match["v4"]) if match["v6"] is None else IPv6Address(match["v6"])
    except ValueError:
        return None
    interface = host.scope_id if isinstance(host, IPv6Address) else None
    if interface is not None and not (host.is_link_local and _ZONE.fullmatch(interface)):
        return None
    return str(host), port


def joined(host: str, port: int) -> str:
    """Return `192.0.2.1:53` or `[2001:db8::1]:53`."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def refuse_special(host: str, value: object, why: str, instead: str = "name a global or a unique local one") -> None:
    """Raise ValueError for an address that stands for no one host: it parses, and then nothing works with it.

    `why` says what does not work with a multicast address, and `instead` what to write in place of a link-local one.
    """
    refuse_mapped(host, value)
    address = ip_address(host)
    if address.is_multicast or address == _BROADCAST:
        kind = "a multicast address" if address.is_multicast else "the broadcast address"
        raise ValueError(f"{shown(value)} is {kind}: {why}; name an address of one host")
    if isinstance(address, IPv6Address) and address.is_link_local and address.scope_id is None:
        raise ValueError(
            f"{shown(value)} is a link-local address, which means nothing without an interface (RFC 4007 section 6); "
            f"{instead}"
        )


def refuse_as_server(host: str, value: object, instead: str = "name a global or a unique local one") -> None:
    """Raise ValueError for what cannot be the address of a server to ask, or that asks."""
    refuse_special(host, value, "no server answers there", instead)
    if ip_address(host).is_unspecified:
        raise ValueError(f"{shown(value)} stands for all addresses of this machine; name the server's own")


def refuse_mapped(host: str, value: object) -> None:
    """Raise ValueError for an IPv4-mapped address (RFC 4291 section 2.5.5.2): no packet has it."""
    try:
        mapped = IPv6Address(host).ipv4_mapped
    except ValueError:
        return
    if mapped is not None:
        raise ValueError(f"{shown(value)} is an IPv4 address written as IPv6; write {mapped}, among the IPv4 ones")


def certificate_name(text: str) -> str | None:
    """Return a host name in lower case, or an IP address in its usual form; None if the text is neither."""
    try:
        return str(ip_address("" if "%" in text else text))
    except ValueError:
        pass
    try:
        return DomainName.from_text(text).text or None
    except BadName:
        return None
