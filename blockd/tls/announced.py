"""Whether certificates have what clients verify: what discovery announces (RFC 9462 section 4.2), and a page's host."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from urllib.parse import urlsplit

from blockd.resolver.local.defaults import is_private
from blockd.resolver.local.discovery import Designation, hosts_of
from blockd.settings import Settings
from blockd.tls.pair import CertificatePair, choose

_ADVICE = "Get a certificate with that address, or give clients the name: by DHCP (RFC 9463), or in their settings."


@dataclass(frozen=True, slots=True)
class CoverageGap:
    """What clients will not do because of the certificates, and what to do about it, a sentence each."""

    found: str
    advice: str

    @property
    def text(self) -> str:
        """Both, the first letter in upper case."""
        return f"{self.found[0].upper()}{self.found[1:]}. {self.advice}"


def coverage_gaps(settings: Settings, pairs: Sequence[CertificatePair]) -> Iterator[CoverageGap]:
    """Yield what certificates lack for what a config announces; nothing if it announces nothing.

    `pairs` are those of the config in its order; without any, front ends have them. A client that knows only an
    address of plain DNS takes what it is told if the certificate has that address. One that does not is taken only for
    private addresses, and only if the encrypted transport is at the same address (RFC 9462 section 4.3).
    """
    designation = Designation.of(settings)
    if designation is None or not pairs:
        return
    name = designation.name.text
    named = pairs[choose(pairs, name)]
    if not named.covers(name):
        yield CoverageGap(
            f"no certificate is for discovery.name, {name}: clients that know the name refuse every connection",
            f"Get a certificate for {name}, and list its files in `certificates`.",
        )
        return
    plain = [ip_address(host) for host in hosts_of(settings.listen.dns) or designation.addresses]
    if not plain:
        yield CoverageGap(
            "listen.dns and the encrypted transports name wildcards only, so it is not known at which addresses "
            "clients ask, and whether a certificate has them",
            "Name the addresses of this machine in `discovery.addresses`.",
        )
    # The first pair is for those who name no server, as those who know an address only may do (section 6.3).
    shown = (pairs[0], named) if named is not pairs[0] else (named,)
    uncovered = [address for address in plain if any(address not in pair.addresses for pair in shown)]
    yield from _uncovered(uncovered, designation, shown)


def page_gap(settings: Settings, pairs: Sequence[CertificatePair]) -> CoverageGap | None:
    """Return what certificates lack for the page about orders; None if nothing, or if a front end has them."""
    url = urlsplit(settings.public.url)
    host = (url.hostname or "").rstrip(".")
    if not settings.listen.public.https or url.scheme != "https" or not host or not pairs:
        return None
    try:  # browsers name no server if they connect to an address
        is_covered = ip_address(host) in pairs[0].addresses
    except ValueError:
        is_covered = pairs[choose(pairs, host)].covers(host)
    if is_covered:
        return None
    return CoverageGap(
        f"no certificate is for {host}, which `public.url` names: browsers warn of the page about orders",
        f"Get a certificate for {host}, and list its files in `certificates`.",
    )


def gap_sentences(settings: Settings, pairs: Sequence[CertificatePair]) -> list[str]:
    """Return them as sentences."""
    page = page_gap(settings, pairs)
    return [gap.text for gap in (*coverage_gaps(settings, pairs), *((page,) if page else ()))]


def _uncovered(
    addresses: Sequence[IPv4Address | IPv6Address], designation: Designation, shown: Sequence[CertificatePair]
) -> Iterator[CoverageGap]:
    """Say which clients cannot verify, and which of them go on nevertheless."""
    certificates = " and ".join(pair.source for pair in shown)
    reached = {ip_address(host) for host in designation.addresses} or set(addresses)
    opportunistic = [address for address in addresses if is_private(str(address)) and address in reached]
    never = [address for address in addresses if address not in opportunistic]
    if opportunistic:
        yield CoverageGap(
            f"discovery is only opportunistic for clients that ask at {_joined(opportunistic)}: {certificates} does "
            "not have that address, so they encrypt without knowing with whom",
            _ADVICE,
        )
    if never:
        yield CoverageGap(
            f"clients that ask at {_joined(never)} do not take what discovery tells them: {certificates} does not have "
            "that address",
            _ADVICE,
        )


def _joined(addresses: Sequence[IPv4Address | IPv6Address]) -> str:
    return ", ".join(map(str, addresses))
