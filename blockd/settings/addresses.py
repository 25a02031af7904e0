"""Addresses of the config file: where blockd listens, which clients it serves, which servers it asks."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Annotated, Literal

from pydantic import PlainValidator

from blockd.errors import BadName
from blockd.names import DomainName, Network
from blockd.settings.hosts import (
    MAX_TEXT,
    certificate_name,
    host_and_port,
    joined,
    refuse_as_server,
    refuse_mapped,
    refuse_special,
)
from blockd.settings.values import shown

MAX_PRIMARIES = 8  # of one zone, all asked at each poll
MAX_HOSTS = 8  # addresses that hints for one feed come from
DNS_PORT = 53  # RFC 1035 section 4.2
DOT_PORT = 853  # RFC 7858 section 3.1
HTTPS_PORT = 443
DOH_PATH = "/dns-query"  # what RFC 8484 uses in its examples, and most servers have
MAX_UPSTREAM_TEXT = 1200  # characters: MAX_TEXT, a path and MAX_PINS
MAX_PATH = 255  # octets
MAX_PINS = 8  # of one upstream: the key in use, the next one, and those of servers that share the address
PIN_SIZE = 32  # octets of a SHA-256

_PIN = "pin-sha256="  # RFC 7858 appendix A, as RFC 7469 section 2.1.1 writes it
_FORMS = {"tcp": DNS_PORT, "tls": DOT_PORT, "https": HTTPS_PORT}  # each with its usual port
# A path of RFC 3986 section 3.3. A query or a template (`{?dns}`) is for GET, and POST is what is used.
_PATH = re.compile(r"/(?:[A-Za-z0-9._~!$&'()*+,;=:@/-]|%[0-9A-Fa-f]{2})*", re.ASCII)
_WITH_ZONE = "name the interface as well, as in fe80::1%eth0"


@dataclass(frozen=True, slots=True)
class SocketAddress:
    """An address to listen on, or a primary's: `host` is an IP address in its usual form, `port` 1 to 65535."""

    host: str
    port: int

    @property
    def text(self) -> str:
        """`127.0.0.1:8053` or `[::1]:8053`."""
        return joined(self.host, self.port)

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


Transport = Literal["udp", "tcp", "tls", "https"]


@dataclass(frozen=True, slots=True)
class Upstream:
    """A recursive resolver to forward to.

    `host` is an IP address in its usual form, with its zone if it is link-local (`fe80::1%eth0`). `tls_name` is the
    name that its certificate must have; it is None without TLS, and empty if the key alone is checked. `pins` are the
    SHA-256 digests of the public keys (SubjectPublicKeyInfo) that it may have; if empty, any. `path` is that of its
    resource (RFC 8484), and empty unless it is asked over HTTPS.
    """

    host: str
    port: int
    tls_name: str | None = None
    path: str = ""
    pins: tuple[bytes, ...] = ()
    over_tcp: bool = False

    @property
    def transport(self) -> Transport:
        """What it is asked over. Never conclude from anything else that questions may go in plain text."""
        if self.path:
            return "https"
        if self.tls_name is not None:
            return "tls"
        return "tcp" if self.over_tcp else "udp"

    @property
    def text(self) -> str:
        """As the config file writes it, the port included."""
        pins = "".join(f";{_PIN}{base64.b64encode(pin).decode()}" for pin in self.pins)
        return f"{self.label}#{pins}" if self.tls_name == "" else self.label + pins

    @property
    def label(self) -> str:
        """Its text without pins, as sentences name it."""
        if self == SYSTEM_UPSTREAM:
            return "system"
        address = joined(self.host, self.port)
        if self.transport == "udp":
            return address
        return f"{self.transport}://{address}{self.path}" + (f"#{self.tls_name}" if self.tls_name else "")

    def __str__(self) -> str:
        return self.text


SYSTEM_UPSTREAM = Upstream("system", 0)  # stands for the resolvers that the machine itself uses


def socket_address_from_text(value: object) -> SocketAddress:
    """Parse `127.0.0.1:8053` or `[::1]:8053`; raises ValueError."""
    parsed = host_and_port(value, None) if isinstance(value, str) else None
    if parsed is None:
        raise ValueError(f"expected ADDRESS:PORT, such as 127.0.0.1:8053 or [::1]:8053, got {shown(value)}")
    refuse_special(parsed[0], value, "nobody can listen on it")
    return SocketAddress(*parsed)


def upstream_from_text(value: object) -> Upstream:
    """Parse `system`, `192.0.2.1`, `[2001:db8::1]:53`, `fe80::1%eth0`, `tcp://192.0.2.1`, or what follows.

    `tls://192.0.2.1#NAME`, `https://192.0.2.1/dns-query#NAME`: NAME is the one in the certificate, which an authority
    that the machine trusts must have signed; `#NAME;pin-sha256=BASE64` asks for that key as well, and
    `#;pin-sha256=BASE64` for it alone. Raises ValueError.
    """
    if value == "system":
        return SYSTEM_UPSTREAM
    if isinstance(value, str) and len(value) <= MAX_UPSTREAM_TEXT:
        scheme, slashes, rest = value.partition("://")
        found = _encrypted(scheme, rest, value) if slashes else _plain(value, DNS_PORT, value)
        if found is not None:
            return found
    examples = (
        "system, 192.0.2.1, 192.0.2.1:5353, [2001:db8::1]:53, fe80::1%eth0, tcp://192.0.2.1, "
        "tls://192.0.2.1#dns.example.net or https://192.0.2.1/dns-query#dns.example.net"
    )
    raise ValueError(f"expected an upstream such as {examples}, got {shown(value)}")


def primaries_from_value(value: object) -> tuple[Primary, ...]:
    """Parse `192.0.2.53`, `[2001:db8::53]:5353`, `ns1.example:5353`, or a list of such; raises ValueError."""
    items = value if isinstance(value, list | tuple) else [value]
    if not 1 <= len(items) <= MAX_PRIMARIES:
        raise ValueError(f"expected 1 to {MAX_PRIMARIES} primaries, got {len(items)}")
    primaries: list[Primary] = []
    for item in items:
        parsed = host_and_port(item, DNS_PORT) if isinstance(item, str) else None
        if parsed is None:
            named = _name_and_port(item) if isinstance(item, str) else None
            if named is None:
                examples = "192.0.2.53, 192.0.2.53:5353, [2001:db8::53]:53 or ns1.example"
                raise ValueError(f"expected a primary's address or name such as {examples}, got {shown(item)}")
            primaries.append(named)
            continue
        refuse_as_server(parsed[0], item)
        primaries.append(SocketAddress(*parsed))
    return tuple(primaries)


def hosts_from_value(value: object, least: int = 1, most: int = MAX_HOSTS) -> tuple[str, ...]:
    """Parse a server's IP address, or a list of `least` to `most` such, to their usual form; raises ValueError."""
    items = value if isinstance(value, list | tuple) else [value]
    if not least <= len(items) <= most:
        expected = f"{least} to" if least else "at most"
        raise ValueError(f"expected {expected} {most} addresses, got {len(items)}")
    hosts = []
    for item in items:
        try:
            host = str(ip_address(item if isinstance(item, str) and "%" not in item else ""))
        except ValueError:
            raise ValueError(f"expected an address such as 192.0.2.1 or 2001:db8::1, got {shown(item)}") from None
        refuse_as_server(host, item)
        hosts.append(host)
    return tuple(hosts)


def network_from_text(value: object) -> Network:
    """Parse an address or a network; raises ValueError."""
    try:
        network = Network.from_text(value if isinstance(value, str) and len(value) <= MAX_TEXT else "")
    except BadName:
        expected = "an address, or a network without host bits such as 10.0.0.0/8 or 2001:db8::/32"
        raise ValueError(f"expected {expected}, got {shown(value)}") from None
    refuse_mapped(str(value).partition("/")[0], value)
    return network


def ipv4_from_text(value: object) -> IPv4Address:
    """Parse an IPv4 address; raises ValueError."""
    try:
        address = IPv4Address(value if isinstance(value, str) else "")
    except ValueError:
        raise ValueError(f"expected an IPv4 address such as 192.0.2.1, got {shown(value)}") from None
    refuse_special(str(address), value, "no client can connect to it")
    return address


def ipv6_from_text(value: object) -> IPv6Address:
    """Parse an IPv6 address without a zone; raises ValueError."""
    try:
        address = IPv6Address(value if isinstance(value, str) and "%" not in value else "")
    except ValueError:
        raise ValueError(f"expected an IPv6 address such as 2001:db8::1, got {shown(value)}") from None
    refuse_special(str(address), value, "no client can connect to it")
    return address


Listening = Annotated[SocketAddress, PlainValidator(socket_address_from_text)]
Forwarder = Annotated[Upstream, PlainValidator(upstream_from_text)]
ClientNetwork = Annotated[Network, PlainValidator(network_from_text)]
SinkholeIPv4 = Annotated[IPv4Address, PlainValidator(ipv4_from_text)]
SinkholeIPv6 = Annotated[IPv6Address, PlainValidator(ipv6_from_text)]


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


def _plain(text: str, default_port: int, value: object) -> Upstream | None:
    """Return the upstream that an address with or without a port names; None if the text is none."""
    parsed = host_and_port(text, default_port, zone=True)
    if parsed is None:
        return None
    refuse_as_server(parsed[0], value, _WITH_ZONE)
    return Upstream(*parsed)


def _encrypted(scheme: str, rest: str, value: str) -> Upstream | None:
    """Return the upstream that what stands behind `scheme://` names; None if it is not of any form."""
    if scheme not in _FORMS:
        return None
    authority, mark, proof = rest.partition("#")
    address, slash, path = authority.partition("/")
    found = _plain(address, _FORMS[scheme], value)
    if found is None or (slash and scheme != "https"):
        return None
    if scheme == "tcp":
        return None if mark else replace(found, over_tcp=True)
    path = f"/{path}" if slash else DOH_PATH
    if not _PATH.fullmatch(path) or len(path) > MAX_PATH:
        raise ValueError(f"expected https://ADDRESS/PATH#NAME, the path without ? and {{, got {shown(value)}")
    name, *parameters = proof.split(";")
    pins = tuple(dict.fromkeys(_pin(parameter, value) for parameter in parameters))
    tls_name = certificate_name(name) if name or not pins else ""
    if tls_name is None:
        expected = f"{scheme}://ADDRESS#NAME, where NAME is the one in the upstream's certificate"
        raise ValueError(f"expected {expected}, got {shown(value)}")
    if len(pins) > MAX_PINS:
        raise ValueError(f"expected at most {MAX_PINS} pins of an upstream, got {len(pins)}")
    return replace(found, tls_name=tls_name, path=path if scheme == "https" else "", pins=pins)


def _pin(parameter: str, value: str) -> bytes:
    """Return the digest of `pin-sha256=BASE64`; raises ValueError."""
    try:
        pin = base64.b64decode(parameter.removeprefix(_PIN), validate=True)
    except ValueError:
        pin = b""
    if len(pin) != PIN_SIZE or not parameter.startswith(_PIN):
        expected = f"{_PIN}BASE64, the SHA-256 of the upstream's public key, behind ;"
        raise ValueError(f"expected {expected}, got {shown(parameter)} in {shown(value)}")
    return pin
