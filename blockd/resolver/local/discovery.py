"""What clients are told of this resolver's encrypted transports, and of itself (RFC 9462, RFC 9461, RFC 9606).

A client that knows an address only asks for `_dns.resolver.arpa`, one that knows the name for `_dns.NAME`. Both learn
which transports there are, at which ports, and with which name in the certificate.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import ip_address

from blockd.dns import types
from blockd.names import DomainName
from blockd.settings import Settings, SocketAddress, ZoneRecord
from blockd.settings.addresses import DOT_PORT, HTTPS_PORT
from blockd.settings.checks.discovery import DNS_LABEL
from blockd.settings.checks.zones import RESOLVER_ARPA

TTL = 300  # seconds: what is announced must soon be gone when the config no longer has it
MAX_PORTS = 4  # of one transport that are announced, a record each: with 64 the answer might not fit into a message
MAX_TEXT = 255  # octets of one character-string (RFC 1035 section 3.3)

DOT_PRIORITY, DOH_PRIORITY = 1, 2  # of SVCB records: over TLS a question costs both sides less than over HTTPS
_DOT_ALPN, _DOH_ALPN = b"dot", b"h2"  # RFC 7858 section 3.1 and RFC 9461; HTTP/2 is what RFC 8484 section 5.2 asks for
_QUERY = "{?dns}"  # the variable of a template for DNS over HTTPS (RFC 8484 section 4.1, RFC 9461 section 5)

# The Extended DNS Errors that blockd itself gives; those of upstreams go with their answers.
OWN_ERRORS = (
    types.EDE_OTHER,
    types.EDE_STALE_ANSWER,
    types.EDE_NOT_READY,
    types.EDE_BLOCKED,
    types.EDE_CENSORED,
    types.EDE_FILTERED,
    types.EDE_STALE_NXDOMAIN,
    types.EDE_NO_REACHABLE_AUTHORITY,
    types.EDE_NETWORK_ERROR,
    types.EDE_INVALID_TYPE,
)


@dataclass(frozen=True, slots=True)
class DesignatedTransport:
    """One encrypted transport as clients reach it: its ALPN, port, addresses, and for HTTPS the path of questions."""

    alpn: bytes
    priority: int
    port: int
    addresses: tuple[str, ...] = ()
    path: str = ""

    @property
    def usual_port(self) -> int:
        """The port that clients take if none is said (RFC 9461 section 4.2)."""
        return HTTPS_PORT if self.path else DOT_PORT

    def record(self, owner: bytes, target: DomainName) -> ZoneRecord:
        """Return the SVCB record, owned by the name with the key `owner`, that leads to it at `target`."""
        packed = [ip_address(address).packed for address in self.addresses]
        parameters = {types.SVCB_ALPN: bytes((len(self.alpn),)) + self.alpn}
        if self.port != self.usual_port:
            parameters[types.SVCB_PORT] = self.port.to_bytes(2)
        for key, size in ((types.SVCB_IPV4HINT, 4), (types.SVCB_IPV6HINT, 16)):
            if hint := b"".join(octets for octets in packed if len(octets) == size):
                parameters[key] = hint
        if self.path:
            parameters[types.SVCB_DOHPATH] = f"{self.path}{_QUERY}".encode()
        data = self.priority.to_bytes(2) + target.wire
        for key, value in sorted(parameters.items()):  # RFC 9460 section 2.2
            data += key.to_bytes(2) + len(value).to_bytes(2) + value
        return ZoneRecord(owner, types.SVCB, TTL, data)


@dataclass(frozen=True, slots=True)
class Designation:
    """The resolver as `discovery` announces it: its name, and how it is reached over encrypted transports.

    `addresses` are those of the name, each once; without any, the name is resolved like every other.
    """

    name: DomainName
    transports: tuple[DesignatedTransport, ...]
    addresses: tuple[str, ...] = ()
    information: tuple[str, ...] = ()  # the character-strings of the RESINFO record

    @classmethod
    def of(cls, settings: Settings) -> Designation | None:
        """Return that of a config; None if it announces nothing."""
        said = settings.discovery
        if not said.name:
            return None
        transports = tuple(_transports(settings))
        addresses = _each(address for one in transports for address in one.addresses)
        return cls(DomainName.from_text(said.name), transports, addresses, tuple(_information(settings)))

    @property
    def name_key(self) -> bytes:
        """The key of the name below which clients that know it ask (RFC 9462 section 5)."""
        return self.name.key + DNS_LABEL

    def services(self, owner: bytes) -> list[ZoneRecord]:
        """Return the SVCB records, owned by the name with the key `owner`."""
        return [transport.record(owner, self.name) for transport in self.transports]

    def about(self, owner: bytes) -> ZoneRecord:
        """Return the RESINFO record, owned by the name with the key `owner`."""
        data = b"".join(bytes((len(text),)) + text.encode() for text in self.information)
        return ZoneRecord(owner, types.RESINFO, TTL, data)

    def at_resolver(self) -> list[ZoneRecord]:
        """Return the records at and under `resolver.arpa`."""
        return [*self.services(RESOLVER_ARPA + DNS_LABEL), self.about(RESOLVER_ARPA)]

    def to_json(self) -> dict[str, object]:
        """Return it as JSON values."""
        return {
            "name": self.name.text,
            "addresses": list(self.addresses),
            "transports": [
                {"alpn": one.alpn.decode(), "port": one.port, "path": one.path or None} for one in self.transports
            ],
        }


def hosts_of(addresses: Iterable[SocketAddress]) -> tuple[str, ...]:
    """Return the hosts of addresses that are listened on, each once, but for wildcards."""
    return _each(address.host for address in addresses if not ip_address(address.host).is_unspecified)


def error_codes(codes: tuple[int, ...]) -> str:
    """Return ascending numbers as RFC 9606 section 5 writes them: `0,3,14-17`."""
    parts: list[list[int]] = []
    for code in codes:
        if parts and parts[-1][-1] == code - 1:
            parts[-1].append(code)
        else:
            parts.append([code])
    return ",".join(f"{part[0]}-{part[-1]}" if len(part) > 1 else str(part[0]) for part in parts)


def _transports(settings: Settings) -> Iterator[DesignatedTransport]:
    """Yield those that the config listens for, or says that a front end has.

    Without a certificate, what listens for DNS over HTTPS speaks plain HTTP to front ends: clients do not reach it.
    """
    listen, said = settings.listen, settings.discovery
    over_https = listen.doh if settings.certificates else ()
    for addresses, port, alpn, priority, path in (
        (listen.dot, said.dot_port, _DOT_ALPN, DOT_PRIORITY, ""),
        (over_https, said.doh_port, _DOH_ALPN, DOH_PRIORITY, settings.doh.path),
    ):
        ports = (port,) if port else tuple(dict.fromkeys(address.port for address in addresses))
        for number in ports[:MAX_PORTS]:
            there = addresses if port else [address for address in addresses if address.port == number]
            yield DesignatedTransport(alpn, priority, number, _each(said.addresses) or hosts_of(there), path)


def _information(settings: Settings) -> Iterator[str]:
    """Yield what RFC 9606 section 5 has keys for. `qnamemin` is not among it: questions are forwarded, in full."""
    yield f"exterr={error_codes(OWN_ERRORS)}"
    url = f"infourl={settings.public.url}"
    if settings.public.url.startswith("https://") and len(url.encode()) <= MAX_TEXT:
        yield url


def _each(items: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(items))
