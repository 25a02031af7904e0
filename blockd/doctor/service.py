"""Checks of what clients see: who is served, where blocked names lead, who is named."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator
from typing import TypeAlias
from urllib.parse import urlsplit

from blockd.doctor.finding import Context, Finding, bad, ok, warning
from blockd.names import Network
from blockd.orders.contact import contact_uris
from blockd.settings import SocketAddress
from blockd.settings.model import LOOPBACK_AND_PRIVATE

Address: TypeAlias = "ipaddress.IPv4Address | ipaddress.IPv6Address"
AnyNetwork: TypeAlias = "ipaddress.IPv4Network | ipaddress.IPv6Network"

WIDEST_FRONT_END = {4: 24, 6: 64}  # prefix lengths: load balancers stand together
WIDEST = {4: 8, 6: 16}  # prefix lengths: no registry assigns a larger network to a provider
HTTP, HTTPS = 80, 443  # the ports of browsers
DOCUMENTATION = ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32")  # RFC 5737 and RFC 3849
EXAMPLES = ("example.com", "example.net", "example.org")  # RFC 2606, in the configs that come with blockd
EXAMPLE_NAME = "Example Provider"


def clients(case: Context) -> Iterator[Finding]:
    """Check that not everybody is served: open resolvers are used to attack others."""
    wide = [network for network in _allowed(case) if _is_the_world(network)]
    if wide:
        yield bad(
            f"clients.allow includes {', '.join(map(str, wide))}: this is an open resolver, and floods will use it",
            "Name the networks of your subscribers.",
        )
    else:
        yield ok(f"{len(case.settings.clients.allow)} networks are served")
    limits = case.settings.clients.rate_limit
    if wide_ones := _wide(case.settings.clients.front_ends):
        yield warning(
            f"clients.front_ends includes {', '.join(wide_ones)}: nobody there is limited, subscribers neither",
            "Name the addresses of the load balancers alone.",
        )
    if wide_ones := _wide(case.settings.proxy_protocol.networks):
        yield warning(
            f"proxy_protocol.from includes {', '.join(wide_ones)}: whoever is there can ask as any client, and nobody "
            "there is answered without a header",
            "Name the addresses of the front ends alone.",
        )
    if case.settings.doh.client_header and (wide_ones := _wide(case.settings.doh.plain_from)):
        yield warning(
            f"doh.plain_from includes {', '.join(wide_ones)}: whoever is there can ask as any client",
            "Name the addresses of the front ends alone.",
        )
    if limits.strangers_per_second == 0:
        yield warning(
            "clients.rate_limit.strangers_per_second is 0: this server can be made to flood others with refusals",
            "Leave the key out for its default, unless a firewall drops packets of others.",
        )
    if limits.slip == 0 and (limits.responses_per_second or limits.errors_per_second):
        yield warning(
            "clients.rate_limit.slip is 0: whoever forges a network's address keeps it from every answer",
            "Set it to 2, so that clients with addresses of their own come back over TCP.",
        )


def _wide(front_ends: Iterable[Network]) -> list[str]:
    """Return those of the networks of front ends that are too large to have nothing but these."""
    return [network.text for network in front_ends if network.prefix_length < WIDEST_FRONT_END[network.version]]


def admin_port(case: Context) -> Iterator[Finding]:
    """Check that others cannot reach the admin port, which everybody may read."""
    admin = case.settings.listen.admin
    address = ipaddress.ip_address(admin.host)
    advice = "Set listen.admin to a loopback address, and reach it through SSH or a proxy that asks for a password."
    if address.is_loopback:
        yield ok(f"{admin.text} can be reached from this machine only")
    elif address.is_private and not address.is_unspecified:
        yield warning(f"everybody who can reach {admin.text} can read there what blockd does", advice)
    else:
        yield bad(f"others can reach {admin.text}, and read there what blockd does; it has no TLS", advice)


def sinkhole(case: Context) -> Iterator[Finding]:
    """Check that the sinkhole's addresses lead to a block page."""
    pages = case.settings.listen.block_page
    for address in (case.settings.sinkhole.ipv4, case.settings.sinkhole.ipv6):
        if any(address in ipaddress.ip_network(network) for network in DOCUMENTATION):
            yield bad(
                f"{address} is reserved for documentation: connections to blocked names time out",
                f"Set sinkhole.ipv{address.version} to an address of this machine that subscribers can reach.",
            )
        elif address.is_unspecified or not case.machine.has_address(str(address)):
            yield warning(
                f"{address} is not an address of this machine, so it does not lead to the block page here",
                f"Unless another machine serves the block page, set sinkhole.ipv{address.version} to one here.",
            )
        elif missing := [
            port for port, on in ((HTTP, pages.http), (HTTPS, pages.https)) if not _serves(on, address, port)
        ]:
            shown = f"port{'s' * (len(missing) > 1)} {' and '.join(map(str, missing))}"
            yield warning(
                f"{address} leads here, but blockd does not listen there on {shown}, which browsers use",
                "List it in listen.block_page, or have a firewall redirect these ports to the ones listed.",
            )
        else:
            yield ok(f"{address} leads to the block page of this machine")


def sinkhole_of_subscribers(case: Context) -> Iterator[Finding]:
    """Check that no subscriber would be sent to their own machine."""
    own = [address for address in (case.settings.sinkhole.ipv4, case.settings.sinkhole.ipv6) if address.is_loopback]
    if own and not all(network.is_loopback for network in _allowed(case)):
        yield warning(
            f"the sinkhole is {' and '.join(map(str, own))}: subscribers would be sent to their own machines",
            "Set sinkhole.ipv4 and sinkhole.ipv6 to addresses of this machine that subscribers can reach.",
        )
    else:
        yield ok("no subscriber is sent to their own machine")


def operator(case: Context) -> Iterator[Finding]:
    """Check that the block page names the operator, not the values of the example config."""
    named = case.settings.operator
    host = (urlsplit(named.url).hostname or "").rstrip(".")
    left = []
    if not named.name.strip() or named.name.strip() == EXAMPLE_NAME:
        left.append("operator.name")
    if host == "localhost" or _is_example(host):
        left.append("operator.url")
    if not named.contact.strip() or _is_example(named.contact.strip().rpartition("@")[2]):
        left.append("operator.contact")
    if left:
        yield warning(
            f"left as in the example, so that people do not learn who blocks: {', '.join(left)}",
            "Set your name and how you can be reached.",
        )
    elif (case.settings.listen.dot or case.settings.listen.doh) and not contact_uris(named.contact):
        yield warning(
            "operator.contact has no mail address, and no telephone number with + and its country's code: browsers "
            "that explain a block lead nobody there",
            "Add one of them to operator.contact.",
        )
    else:
        yield ok(f"{named.name} is named on the block page")


def _allowed(case: Context) -> list[AnyNetwork]:
    """Return the networks served, with adjacent ones merged: two halves of the world are the world."""
    networks = [ipaddress.ip_network(network.text) for network in case.settings.clients.allow]
    four = [network for network in networks if isinstance(network, ipaddress.IPv4Network)]
    six = [network for network in networks if isinstance(network, ipaddress.IPv6Network)]
    return [*ipaddress.collapse_addresses(four), *ipaddress.collapse_addresses(six)]


def _is_the_world(network: AnyNetwork) -> bool:
    if network.prefixlen >= WIDEST[network.version]:
        return False
    private = [ipaddress.ip_network(text) for text in LOOPBACK_AND_PRIVATE]
    return not any(network.version == one.version and network.subnet_of(one) for one in private)  # type: ignore[arg-type]


def _serves(listened: tuple[SocketAddress, ...], address: Address, port: int) -> bool:
    return any(one.clashes_with(SocketAddress(str(address), port)) for one in listened)


def _is_example(text: str) -> bool:
    return any(text == name or text.endswith((f".{name}", f"//{name}")) for name in EXAMPLES)
