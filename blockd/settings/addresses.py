"""Addresses of the config file: where blockd listens, which clients it serves, which servers it asks."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Annotated

from pydantic import PlainValidator

from blockd.errors import BadName
from blockd.names import DomainName, Network
from blockd.settings.values import shown

MAX_TEXT = 320  # characters: a bracketed address, a port and a name of 255 octets with room
MAX_PRIMARIES = 8  # of one zone, all asked at each poll
MAX_HOSTS = 8  # addresses that hints for one feed come from
DNS_PORT = 53  # RFC 1035 section 4.2
DOT_PORT = 853  # RFC 7858 section 3.1

_TLS = "tls://"
_BROADCAST = IPv4Address("255.255.255.255")  # RFC 919 section 7
# An address, or a bracketed one, then perhaps a port. A bare IPv6 address has no port.
_HOST_PORT = re.compile(r"(?:\[(?P<v6>[^\]]*)\]|(?P<v4>[^:\[\]]*))(?::(?P<port>\d{1,5}))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class SocketAddress:
    """An address to listen on, or a primary's: `host` is an IP address in its usual form, `port` 1 to 65535."""

    host: str
    port: int

    @property
    def text(self) -> str:
        """`127.0.0.1:8053` or `[::1]:8053`."""
        return _joined(self.host, self.port)

    def clashes_with(self, other: SocketAddress) -> bool:
        """Return whether both cannot be listened on: the same port, and the same host or a wildcard."""
        mine, theirs = ip_address(self.host), ip_address(other.host)
        if self.port != other.port or mine.version != theirs.version:
            return False
        return mine == theirs or mine.is_unspecified or theirs.is_unspecified

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class NamedPrimary:
    """A primary whose addresses are looked up: `name` is a host name in lower case, `port` 1 to 65535."""

    name: str
    port: int

    @property
    def text(self) -> str:
        """`ns1.example:53`."""
        return f"{self.name}:{self.port}"

    def __str__(self) -> str:
        return self.text


Primary = SocketAddress | NamedPrimary


@dataclass(frozen=True, slots=True)
class Upstream:
    """A recursive resolver to forward to; over TLS if `tls_name`, the name in its certificate, is set."""

    host: str
    port: int
    tls_name: str | None = None

    @property
    def text(self) -> str:
        """As the config file writes it, the port included."""
        if self == SYSTEM_UPSTREAM:
            return "system"
        joined = _joined(self.host, self.port)
        return joined if self.tls_name is None else f"{_TLS}{joined}#{self.tls_name}"

    def __str__(self) -> str:
        return self.text


SYSTEM_UPSTREAM = Upstream("system", 0)  # stands for the resolvers that the machine itself uses


def socket_address_from_text(value: object) -> SocketAddress:
    """Parse `127.0.0.1:8053` or `[::1]:8053`; raises ValueError."""
    parsed = _host_and_port(value, None) if isinstance(value, str) else None
    if parsed is None:
        raise ValueError(f"expected ADDRESS:PORT, such as 127.0.0.1:8053 or [::1]:8053, got {shown(value)}")
    _refuse_special(parsed[0], value, "nobody can listen on it")
    return SocketAddress(*parsed)


def upstream_from_text(value: object) -> Upstream:
    """Parse `system`, `192.0.2.1`, `[2001:db8::1]:53` or `tls://192.0.2.1#name`; raises ValueError."""
    if value == "system":
        return SYSTEM_UPSTREAM
    if isinstance(value, str) and value.startswith(_TLS):
        address, _, name = value.removeprefix(_TLS).partition("#")
        parsed = _host_and_port(address, DOT_PORT)
        if parsed is not None:
            _refuse_as_server(parsed[0], value)
            return Upstream(*parsed, tls_name=_certificate_name(value, name))
    elif isinstance(value, str):
        parsed = _host_and_port(value, DNS_PORT)
        if parsed is not None:
            _refuse_as_server(parsed[0], value)
            return Upstream(*parsed)
    examples = "system, 192.0.2.1, 192.0.2.1:5353, [2001:db8::1]:53 or tls://192.0.2.1#dns.example.net"
    raise ValueError(f"expected an upstream such as {examples}, got {shown(value)}")


def primaries_from_value(value: object) -> tuple[Primary, ...]:
    """Parse `192.0.2.53`, `[2001:db8::53]:5353`, `ns1.example:5353`, or a list of such; raises ValueError."""
    items = value if isinstance(value, list | tuple) else [value]
    if not 1 <= len(items) <= MAX_PRIMARIES:
        raise ValueError(f"expected 1 to {MAX_PRIMARIES} primaries, got {len(items)}")
    primaries: list[Primary] = []
    for item in items:
        parsed = _host_and_port(item, DNS_PORT) if isinstance(item, str) else None
        if parsed is None:
            named = _name_and_port(item) if isinstance(item, str) else None
            if named is None:
                examples = "192.0.2.53, 192.0.2.53:5353, [2001:db8::53]:53 or ns1.example"
                raise ValueError(f"expected a primary's address or name such as {examples}, got {shown(item)}")
            primaries.append(named)
            continue
        _refuse_as_server(parsed[0], item)
        primaries.append(SocketAddress(*parsed))
    return tuple(primaries)


def hosts_from_value(value: object) -> tuple[str, ...]:
    """Parse an IP address, or a list of such, to their usual form; raises ValueError."""
    items = value if isinstance(value, list | tuple) else [value]
    if not 1 <= len(items) <= MAX_HOSTS:
        raise ValueError(f"expected 1 to {MAX_HOSTS} addresses, got {len(items)}")
    hosts = []
    for item in items:
        try:
            host = str(ip_address(item if isinstance(item, str) and "%" not in item else ""))
        except ValueError:
            raise ValueError(f"expected an address such as 192.0.2.1 or 2001:db8::1, got {shown(item)}") from None
        _refuse_as_server(host, item)
        hosts.append(host)
    return tuple(hosts)


def network_from_text(value: object) -> Network:
    """Parse an address or a network; raises ValueError."""
    try:
        network = Network.from_text(value if isinstance(value, str) and len(value) <= MAX_TEXT else "")
    except BadName:
        expected = "an address, or a network without host bits such as 10.0.0.0/8 or 2001:db8::/32"
        raise ValueError(f"expected {expected}, got {shown(value)}") from None
    _refuse_mapped(str(value).partition("/")[0], value)
    return network


def ipv4_from_text(value: object) -> IPv4Address:
    """Parse an IPv4 address; raises ValueError."""
    try:
        address = IPv4Address(value if isinstance(value, str) else "")
    except ValueError:
        raise ValueError(f"expected an IPv4 address such as 192.0.2.1, got {shown(value)}") from None
    _refuse_special(str(address), value, "no client can connect to it")
    return address


def ipv6_from_text(value: object) -> IPv6Address:
    """Parse an IPv6 address without a zone; raises ValueError."""
    try:
        address = IPv6Address(value if isinstance(value, str) and "%" not in value else "")
    except ValueError:
        raise ValueError(f"expected an IPv6 address such as 2001:db8::1, got {shown(value)}") from None
    _refuse_special(str(address), value, "no client can connect to it")
    return address


Listening = Annotated[SocketAddress, PlainValidator(socket_address_from_text)]
Forwarder = Annotated[Upstream, PlainValidator(upstream_from_text)]
ClientNetwork = Annotated[Network, PlainValidator(network_from_text)]
SinkholeIPv4 = Annotated[IPv4Address, PlainValidator(ipv4_from_text)]
SinkholeIPv6 = Annotated[IPv6Address, PlainValidator(ipv6_from_text)]


def _host_and_port(text: str, default_port: int | None) -> tuple[str, int] | None:
    """Return the host in its usual form and the port; None if the text is neither, or lacks a port it needs."""
    if len(text) > MAX_TEXT or "%" in text:
        return None  # a zone (RFC 4007) names an interface of one machine, and is not supported
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
    return str(host), port


def _name_and_port(text: str) -> NamedPrimary | None:
    """Return the host name and the port of a primary; None if the text is neither."""
    name, colon, port = text.partition(":")
    if len(text) > MAX_TEXT or (colon and not (port.isascii() and port.isdigit() and len(port) <= 5)):
        return None
    number = int(port) if colon else DNS_PORT
    try:
        domain = DomainName.from_text(name)
    except BadName:
        return None
    is_address = not domain.labels or domain.labels[-1].isdigit()  # one with an error in it
    return None if is_address or not 1 <= number <= 65535 else NamedPrimary(domain.text, number)


def _refuse_special(host: str, value: object, why: str) -> None:
    """Raise ValueError for an address that stands for no one host: it parses, and then nothing works with it."""
    _refuse_mapped(host, value)
    address = ip_address(host)
    if address.is_multicast or address == _BROADCAST:
        kind = "a multicast address" if address.is_multicast else "the broadcast address"
        raise ValueError(f"{shown(value)} is {kind}: {why}; name an address of one host")
    if address.version == 6 and address.is_link_local:
        raise ValueError(
            f"{shown(value)} is a link-local address, which means nothing without an interface (RFC 4007 section 6); "
            "name a global or a unique local one"
        )


def _refuse_as_server(host: str, value: object) -> None:
    """Raise ValueError for what cannot be the address of a server to ask, or that asks."""
    _refuse_special(host, value, "no server answers there")
    if ip_address(host).is_unspecified:
        raise ValueError(f"{shown(value)} stands for all addresses of this machine; name the server's own")


def _refuse_mapped(host: str, value: object) -> None:
    """Raise ValueError for an IPv4-mapped address (RFC 4291 section 2.5.5.2): no packet has it."""
    try:
        mapped = IPv6Address(host).ipv4_mapped
    except ValueError:
        return
    if mapped is not None:
        raise ValueError(f"{shown(value)} is an IPv4 address written as IPv6; write {mapped}, among the IPv4 ones")


def _certificate_name(value: str, name: str) -> str:
    try:
        return DomainName.from_text(name).text
    except BadName:
        expected = "tls://ADDRESS#NAME, where NAME is the one in the upstream's certificate"
        raise ValueError(f"expected {expected}, got {shown(value)}") from None


def _joined(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
