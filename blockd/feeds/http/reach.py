"""Which addresses a feed may connect to: from a public URL only public ones.

A server of the public network must not lead blockd, which stands within the operator's network, to servers there: by a
redirect, or by an address in the DNS (server-side request forgery, DNS rebinding). So the address is checked that is
connected to, each time. Public is every address outside IANA's special-purpose registries, other than this machine's.

The config itself may name a server that is not public: by its address, as `localhost`, or by a name that only private
networks have. To its origin, and to no other, any address is connected to.
"""

from __future__ import annotations

import contextlib
import ipaddress
import socket
from collections.abc import Iterable
from dataclasses import dataclass

from blockd.feeds.http.origin import Origin, origin_of
from blockd.names.special_purpose import special_purpose

REMEDY = "If that is as it should be, set the feed's allow_private: true."

# Top labels that the public DNS does not have: RFC 6761, 6762 and 8375, and ICANN's resolution 2024.07.29.06.
_PRIVATE_SUFFIXES = (".localhost", ".local", ".internal", ".home.arpa", ".test")
_NAT64 = ipaddress.ip_network("64:ff9b::/96")  # RFC 6052: an address of IPv4 in its last 32 bits
_ANY_PORT = 9  # discard; nothing is sent there


@dataclass(frozen=True, slots=True)
class Reach:
    """`own` are the config's origins that are not public; `is_open` says that every address may be connected to."""

    own: frozenset[Origin] = frozenset()
    is_open: bool = False

    @classmethod
    def of(cls, urls: Iterable[str], *, allow_private: bool = False) -> Reach:
        """Return the reach of a feed with these URLs; those that are not http or https, or that are none, have none."""
        origins = set()
        for url in urls:
            if url.startswith(("http:", "https:")):
                with contextlib.suppress(ValueError):  # whoever fetches it says so
                    origins.add(origin_of(url))
        return cls(frozenset(origin for origin in origins if is_private_host(origin[1])), allow_private)

    def refusal(self, origin: Origin, address: str) -> str:
        """Return what is wrong with connecting to an address for an origin, to follow its URL; empty if nothing is."""
        if self.is_open or origin in self.own:
            return ""
        what = private_use(address)
        return f"leads to {address} ({what}), which a public URL must not. {REMEDY}" if what else ""

    def refusal_of_host(self, origin: Origin) -> str:
        """Return the same for an origin whose address is not known, since a proxy connects to it."""
        if self.is_open or origin in self.own or not is_private_host(origin[1]):
            return ""
        return f"leads to {origin[1]}, which a public URL must not. {REMEDY}"


def is_private_host(host: str) -> bool:
    """Return whether a URL's host is by itself not public: a special address, or a name of private networks only."""
    address = _address(host)
    if address is not None:
        return bool(_special(address))
    host = host.lower().rstrip(".")
    return "." not in host or host.endswith(_PRIVATE_SUFFIXES)


def private_use(address: str) -> str:
    """Return what an address is set aside for, or that it is this machine's; empty if it is another public one."""
    parsed = _address(address)
    if parsed is None:
        return "not an address"
    return _special(parsed) or ("this machine" if _is_this_machine(parsed) else "")


_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def _address(host: str) -> _Address | None:
    """Return an address without its zone, as in `fe80::1%eth0`; None for a name.

    Also the old forms of IPv4 that the system's resolver takes: `127.1`, `0x7f000001`, `2130706433`.
    """
    host = host.partition("%")[0]
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        pass
    try:
        return ipaddress.IPv4Address(socket.inet_aton(host))
    except (OSError, UnicodeError):
        return None


def _special(address: _Address) -> str:
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped
        if inner is None and address in _NAT64:
            inner = ipaddress.IPv4Address(address.packed[-4:])
        if inner is not None:
            return _special(inner)
    return special_purpose(address.packed, address.max_prefixlen)


def _is_this_machine(address: _Address) -> bool:
    """Return whether packets to an address would come from it: then it is one of this machine's. Nothing is sent."""
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((str(address), _ANY_PORT))
            return bool(probe.getsockname()[0] == str(address))
    except OSError:
        return False  # no route: it cannot be connected to either
