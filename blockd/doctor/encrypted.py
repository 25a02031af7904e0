"""Checks of certificates, of the listeners that show them, and of what discovery announces."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address
from typing import TypeAlias

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from blockd.doctor.finding import Context, Finding, bad, ok, warning
from blockd.errors import BadCertificate
from blockd.names import DomainName
from blockd.printable import some_of
from blockd.resolver.local.discovery import Designation
from blockd.settings import Settings, SocketAddress
from blockd.settings.checks.discovery import DNS_LABEL
from blockd.settings.checks.zones import RESOLVER_ARPA
from blockd.settings.hosts import LOOPBACK_OF
from blockd.times import time_text
from blockd.tls import CertificatePair
from blockd.tls.announced import coverage_gaps, page_gap
from blockd.tls.pair import choose
from blockd.tls.validity import RENEW, open_key_gap, validity_gap
from blockd.transports import dot
from blockd.transports.http import server as doh

MOST_NAMED = 4  # names of one certificate

Listener: TypeAlias = "tuple[str, SocketAddress, tuple[str, ...]]"


def certificates(case: Context) -> Iterator[Finding]:
    """Check that each certificate can be read, is valid, and leads to an authority that this machine knows."""
    if not case.settings.certificates:
        yield ok("no certificate is configured")
    elif not next(_listeners(case), None) and not case.settings.listen.public.https:
        yield warning(
            "nothing is served over TLS, so that nobody is shown the certificates",
            "Set listen.dot, listen.doh or listen.public.https, or remove `certificates`.",
        )
        return
    refusals = _refusals(case)
    for given in case.settings.certificates:
        if why := refusals.get(str(given.chain)):
            yield warning(
                f"the running blockd cannot use the files of {given.chain}, and shows the certificate before: {why}",
                "Replace chain and key by a pair that belongs together, which blockd's user may read.",
            )
        if gap := open_key_gap(given.key):
            yield warning(gap.found, gap.advice)
        try:
            pair = case.machine.pair(given)
        except BadCertificate as error:
            if isinstance(error.__cause__, PermissionError) and case.running.is_alive:
                yield warning(str(error), "Run `blockd doctor` as the user that blockd runs as.")
                continue
            yield bad(str(error), "Put chain and key there as a pair, readable by the user that blockd runs as.")
            continue
        yield from _certificate(case, pair)


def _refusals(case: Context) -> dict[str, str]:
    """Return why the running blockd cannot use files, by the paths of the chains."""
    told = (case.running.status or {}).get("certificates", ())
    return {one["certificate"]: one["refusal"] for one in told if one["refusal"]}


def _certificate(case: Context, pair: CertificatePair) -> Iterator[Finding]:
    now = case.machine.now()
    if gap := validity_gap(pair, now):
        yield bad(gap.found, gap.advice)
        return
    hosts = [*pair.names, *map(str, pair.addresses)]
    if pair.expires_soon(now):
        yield warning(f"{pair.source} expires on {time_text(pair.ends)}", RENEW)
    if why := case.machine.why_not_trusted(pair, hosts[0].replace("*", "any")):
        yield warning(
            f"a client with the authorities of this machine refuses {pair.source}: {why}",
            "Append the certificates of the authorities between to the chain; one that you signed yourself, or by an "
            "authority of your own, must be made known to each client.",
        )
    elif not pair.expires_soon(now):
        yield ok(f"{pair.source} is for {some_of(hosts, MOST_NAMED)}, valid until {time_text(pair.ends)}")


def handshakes(case: Context) -> Iterator[Finding]:
    """Check that the running blockd agrees on TLS on the right protocol, with the certificate of the file."""
    listeners = list(_listeners(case))
    if not listeners or not case.settings.certificates:
        yield ok("no DNS over TLS or HTTPS is listened for" if not listeners else "front ends terminate TLS")
        return
    if not case.running.is_alive:
        yield ok("no blockd is running, so there is no listener to try")
        return
    expected, name = _first_shown(case), case.settings.discovery.name
    well: list[str] = []
    for setting, address, alpn in listeners:
        place = f"{setting} {address.text}"
        made = case.machine.shake_hands(address, alpn, name, case.settings.proxy_protocol.networks)
        if made.failure:
            yield bad(
                f"{place} does not agree on TLS: {made.failure}", "Read blockd's log; see the check of certificates."
            )
        elif made.alpn != alpn[0]:
            yield bad(
                f"{place} agrees on {made.alpn or 'no protocol'} instead of {alpn[0]}",
                "Look for another program at that address, such as a proxy that terminates TLS.",
            )
        elif expected and made.certificate != expected:
            yield warning(
                f"{place} shows another certificate than the file has",
                "Wait some seconds, and read blockd's log if it stays so.",
            )
        else:
            well.append(place)
    if well:
        yield ok(f"TLS is agreed on as it should be at {', '.join(well)}")


def discovery(case: Context) -> Iterator[Finding]:
    """Check that clients that verify what discovery announces find it in the certificates."""
    settings = case.settings
    designation = Designation.of(settings)
    if designation is None:
        is_offered = bool(settings.listen.dot or settings.listen.doh)
        yield ok(
            "DNS over TLS and HTTPS are offered to who knows of them; `discovery.name` would announce them"
            if is_offered
            else "nothing is announced"
        )
        return
    yield from _announced(case, designation)
    if not settings.certificates:
        yield ok(f"{designation.name.text} is announced; the front ends that terminate TLS have its certificate")
        return
    pairs = _pairs(case)
    if pairs is None:
        yield warning(
            f"whether a certificate covers {designation.name.text} is not known: not all of them can be read",
            "See the check of certificates.",
        )
        return
    found = [warning(one.found, one.advice) for one in coverage_gaps(settings, pairs)]
    yield from found
    if not found:
        yield ok(f"{designation.name.text} is announced, and the certificates have its name and addresses")


def page_about_orders(case: Context) -> Iterator[Finding]:
    """Check that something leads to the page about orders, and that its name is in a certificate."""
    settings = case.settings
    if not settings.listen.public.is_used:
        yield ok("the page about orders is not listened for here")
        return
    if not settings.public.url:
        yield warning(
            "nothing leads to the page about orders: `public.url` is not set",
            "Set it to the address at which others reach the page.",
        )
        return
    pairs = _pairs(case)
    if pairs is None:
        return  # told by the check of certificates
    gap = page_gap(settings, pairs)
    yield warning(gap.found, gap.advice) if gap else ok(f"block pages lead to {settings.public.url}")


def _announced(case: Context, designation: Designation) -> Iterator[Finding]:
    """Check that the running blockd announces what the config says, which a list may keep it from."""
    address = _answering(case.settings)
    if not case.running.is_alive or address is None:
        return
    fronts = case.settings.proxy_protocol.networks
    expected = frozenset(record.data for record in designation.services(b""))
    for owner in (DomainName(key).text for key in (RESOLVER_ARPA + DNS_LABEL, designation.name_key)):
        try:
            told = case.machine.services_at(address, owner, fronts)
        except (OSError, ValueError) as error:
            yield warning(f"the running blockd does not say what it announces: {error}", "See the checks above.")
            return
        if told != expected:
            yield warning(
                f"the running blockd does not announce at {owner} what the config says",
                f"`blockd lookup {owner}` tells whether a list blocks it; if the config was changed, `blockd reload`.",
            )


def _answering(settings: Settings) -> SocketAddress | None:
    """Return an address of plain DNS that answers this machine; None if it is neither a client nor a front end there.

    Who asks an address of the own machine asks from that address.
    """
    served = (*settings.clients.allow, *settings.proxy_protocol.networks)
    for address in settings.listen.dns:
        own = ip_address(LOOPBACK_OF.get(address.host, address.host).partition("%")[0]).packed
        if any(own in network for network in served):
            return address
    return None


def _listeners(case: Context) -> Iterator[Listener]:
    for address in case.settings.listen.dot:
        yield "listen.dot", address, dot.ALPN
    for address in case.settings.listen.doh:
        yield "listen.doh", address, doh.ALPN


def _pairs(case: Context) -> list[CertificatePair] | None:
    """Return all certificates of the config; None if one cannot be read."""
    try:
        return [case.machine.pair(given) for given in case.settings.certificates]
    except BadCertificate:
        return None


def _first_shown(case: Context) -> bytes:
    """Return the certificate in DER that is shown for the announced name; empty if the files cannot be read."""
    pairs = _pairs(case)
    if pairs is None:
        return b""
    shown = pairs[choose(pairs, case.settings.discovery.name)]
    return x509.load_pem_x509_certificates(shown.chain)[0].public_bytes(Encoding.DER)
