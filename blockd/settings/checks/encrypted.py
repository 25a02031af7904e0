"""What encrypted transports, front ends and pages need of each other, checked when each is right by itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from blockd.dns import types
from blockd.names.prefix_table import PrefixTable
from blockd.settings.checks.discovery import discovery_problems
from blockd.settings.listening import UnixSocket
from blockd.settings.model import Settings

# Codes of EDNS options that have a meaning in questions, also those of blockd's own.
MEANT = frozenset(
    {
        types.NSID_OPTION,
        types.SUBNET_OPTION,
        types.COOKIE_OPTION,
        types.KEEPALIVE_OPTION,
        types.PADDING_OPTION,
        types.EDE_OPTION,
        *range(types.FIRST_LOCAL_OPTION, types.OWN_OPTION + 1),
    }
)


def encrypted_problems(settings: Settings) -> Iterator[str]:
    """Yield one sentence for each contradiction."""
    yield from _certificates(settings)
    yield from _sockets(settings)
    yield from discovery_problems(settings)
    yield from _front_ends(settings)
    yield from _structured_errors(settings)


def _certificates(settings: Settings) -> Iterator[str]:
    listen = settings.listen
    is_tls = bool(listen.dot or listen.doh or listen.public.https)
    if settings.tls.ticket_secrets is not None and not is_tls:
        yield (
            "tls.ticket_secrets: nothing is served over TLS; set `listen.dot`, `listen.doh` or `listen.public.https`, "
            "or remove the key"
        )
    if listen.admin_tls is not None and listen.admin_tls.clients and listen.admin_tls.client_ca is None:
        yield "listen.admin_tls.clients: nobody can show a certificate; name the file of its authority in `client_ca`"
    if settings.certificates:
        yield from _repeated(settings)
        return
    if listen.admin_tls is not None:
        yield "listen.admin_tls: TLS needs a certificate; name its files in `certificates`"
    for path, addresses in (("listen.dot", listen.dot), ("listen.public.https", listen.public.https)):
        if addresses:
            yield f"{path}: TLS needs a certificate; name its files in `certificates`"
    if listen.doh and not settings.doh.plain_from:
        yield (
            "listen.doh: HTTPS needs a certificate; name its files in `certificates`, or the front ends that terminate "
            "TLS in `doh.plain_from`"
        )


def _sockets(settings: Settings) -> Iterator[str]:
    first: dict[Path, int] = {}
    for number, place in enumerate(settings.listen.decide):
        if isinstance(place, UnixSocket) and (known := first.setdefault(place.path, number)) != number:
            yield f"listen.decide[{number}]: {place.text} is already used by listen.decide[{known}]; use each path once"


def _repeated(settings: Settings) -> Iterator[str]:
    """Say which chains are listed twice: nobody is shown the second, and their series would have one name."""
    first: dict[Path, int] = {}
    for number, certificate in enumerate(settings.certificates):
        if (known := first.setdefault(certificate.chain, number)) != number:
            yield f"certificates[{number}]: {certificate.chain} is already certificates[{known}]; keep one"


def _structured_errors(settings: Settings) -> Iterator[str]:
    structured = settings.structured_errors
    if structured.client_option in MEANT:
        yield (
            f"structured_errors.client_option: {structured.client_option} is the code of an option that blockd reads "
            "as something else; set the code that is assigned, or that your clients send"
        )
    if not settings.listen.dot and not settings.listen.doh:
        for key in sorted(structured.model_fields_set):
            yield (
                f"structured_errors.{key}: only clients over encrypted transports are told; set `listen.dot` or "
                "`listen.doh`, or remove the key"
            )


def _front_ends(settings: Settings) -> Iterator[str]:
    doh = settings.doh
    if doh.plain_from and not settings.listen.doh:
        yield "doh.plain_from: front ends have nowhere to send requests; set `listen.doh`, or remove the key"
    if doh.client_header and not doh.plain_from:
        yield "doh.client_header: no front end is listed whose header is believed; list them in `doh.plain_from`"
    senders = PrefixTable((network, 1) for network in settings.proxy_protocol.networks)
    for number, network in enumerate(doh.plain_from):
        if doh.client_header and senders.is_within(network):
            yield (
                f"doh.plain_from[{number}]: {network} says for whom it asks by PROXY protocol already "
                '(`proxy_protocol.from`); remove it from one of them, or set doh.client_header to ""'
            )
