"""Names that no upstream should be asked for, and which of them are answered here.

They are those of IANA's registries of locally served zones (RFC 6303, RFC 7793, RFC 8375, RFC 9462, RFC 9665) and of
special-use domain names (RFC 6761, RFC 6762, RFC 7686, RFC 9476). Not among them are `example`, which upstreams resolve
like any other (RFC 6761 section 6.5), and `ipv4only.arpa`, by whose addresses clients learn the upstreams' NAT64 prefix
(RFC 7050): only the resolver that translates may answer for it (RFC 8880 section 7.1).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING

from blockd.names import DomainName, key_from_wire

if TYPE_CHECKING:
    from blockd.settings import Settings, Upstream

REVERSE = "reverse zones"
RESOLVER_ARPA = "resolver.arpa"

_PRIVATE = tuple(
    map(
        ip_network,
        (
            "10.0.0.0/8",
            "172.16.0.0/12",
            "192.168.0.0/16",
            "fc00::/7",
            "127.0.0.0/8",
            "::1",
            "169.254.0.0/16",
            "fe80::/10",
        ),
    )
)
_OFF = "local.defaults is false"
_ROUTERS = "all upstreams are at private addresses, and may know the names of their network"


@dataclass(frozen=True, slots=True)
class DefaultZone:
    """A zone that is answered here by default: its name, where that is written, and the group that it is shown in.

    `routers` says whether resolvers at private addresses may know better, `is_delegated` whether its DS record is asked
    of upstreams, who have the zone above (RFC 8375 section 4), `exists` that each name in it exists, without records.
    """

    name: str
    source: str
    group: str
    routers: bool = False
    is_delegated: bool = False
    exists: bool = False

    @property
    def key(self) -> bytes:
        """Its key; the zones of single addresses have more numbers in front than host names may."""
        return key_of(self.name)


@dataclass(frozen=True, slots=True)
class DefaultState:
    """Whether a default zone is answered here; `why` says why it is not, and is empty if it is."""

    zone: DefaultZone
    why: str = ""

    @property
    def is_on(self) -> bool:
        """Whether it is answered here."""
        return not self.why


def _reverse(source: str, *names: str) -> Iterator[DefaultZone]:
    for name in names:
        yield DefaultZone(name, source, f"{REVERSE} of {source}", routers=True, is_delegated=True)


_ZEROS = "0." * 31

DEFAULT_ZONES: tuple[DefaultZone, ...] = (
    *_reverse("RFC 6303", "10.in-addr.arpa", *(f"{second}.172.in-addr.arpa" for second in range(16, 32))),
    *_reverse("RFC 6303", "168.192.in-addr.arpa", "0.in-addr.arpa", "127.in-addr.arpa", "254.169.in-addr.arpa"),
    *_reverse("RFC 6303", "2.0.192.in-addr.arpa", "100.51.198.in-addr.arpa", "113.0.203.in-addr.arpa"),
    *_reverse("RFC 6303", "255.255.255.255.in-addr.arpa", f"0.{_ZEROS}ip6.arpa", f"1.{_ZEROS}ip6.arpa"),
    *_reverse("RFC 6303", "d.f.ip6.arpa", *(f"{nibble}.e.f.ip6.arpa" for nibble in "89ab"), "8.b.d.0.1.0.0.2.ip6.arpa"),
    *_reverse("RFC 7793", *(f"{second}.100.in-addr.arpa" for second in range(64, 128))),
    DefaultZone("home.arpa", "RFC 8375", "home.arpa", routers=True, is_delegated=True),
    DefaultZone("local", "RFC 6762", "local", routers=True),
    DefaultZone("service.arpa", "RFC 9665", "service.arpa", routers=True, is_delegated=True),
    DefaultZone("localhost", "RFC 6761", "localhost"),
    DefaultZone("test", "RFC 6761", "test"),
    DefaultZone("invalid", "RFC 6761", "invalid"),
    DefaultZone("onion", "RFC 7686", "onion"),
    DefaultZone("alt", "RFC 9476", "alt"),
    DefaultZone(RESOLVER_ARPA, "RFC 9462", RESOLVER_ARPA, exists=True),
)


def default_states(settings: Settings, upstreams: Sequence[Upstream]) -> tuple[DefaultState, ...]:
    """Return which default zones are answered here; `upstreams` are those for all names, `system` replaced."""
    configured = [(key_of(zone.zone), f"{zone.zone} is a local zone") for zone in settings.local.zones]
    configured += [(key_of(zone.zone), f"{zone.zone} is forwarded") for zone in settings.forward]
    behind_routers = are_private(upstreams)
    return tuple(DefaultState(zone, _why_off(zone, settings, configured, behind_routers)) for zone in DEFAULT_ZONES)


def are_private(upstreams: Sequence[Upstream]) -> bool:
    """Return whether there are upstreams, all at private, loopback or link-local addresses."""
    from blockd.settings import SYSTEM_UPSTREAM  # the table above is needed without settings, too

    known = [upstream for upstream in upstreams if upstream != SYSTEM_UPSTREAM]
    return bool(known) and all(is_private(upstream.host) for upstream in known)


def is_private(host: str) -> bool:
    """Return whether an address is a private, loopback or link-local one."""
    address = ip_address(host.partition("%")[0])
    return any(address in network for network in _PRIVATE)


def key_of(name: str) -> bytes:
    """Return the key of a name that may be one of addresses, whose top label is a number in no host name."""
    labels = name.encode().split(b".")
    return key_from_wire(b"".join(b"%c%b" % (len(label), label) for label in labels) + b"\0")


def text_of(key: bytes) -> str:
    """Return a key's name."""
    return DomainName(key).text


def _why_off(
    zone: DefaultZone, settings: Settings, configured: Iterable[tuple[bytes, str]], behind_routers: bool
) -> str:
    own = zone.key
    if zone.name == RESOLVER_ARPA:  # always answered here, whatever is configured
        return next((why for key, why in configured if key == own), "")
    if inside := next((why for key, why in configured if key.startswith(own)), ""):
        return inside
    if not settings.local.defaults:
        return _OFF
    return _ROUTERS if zone.routers and behind_routers else ""
