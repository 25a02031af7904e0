"""What records of local zones lead to: about that lists decide, as they do about the answers of upstreams."""

from __future__ import annotations

from blockd.dns import types
from blockd.errors import BadMessage
from blockd.resolver.cache import question_of
from blockd.resolver.local.zone import LocalZoneData, RRset, ZoneKind
from blockd.resolver.reading.fitting import MAX_ADDRESSES
from blockd.resolver.response import parse

_ROOT = b"\0"


def leads_of(zone: LocalZoneData, rrset: RRset) -> tuple[tuple[bytes, ...], tuple[bytes, ...]]:
    """Return the keys of names and the packed addresses that records lead to, of the operator's own zones only.

    Of addresses the first MAX_ADDRESSES count, the most that an answer of an upstream may have; an alias is followed
    by who asks.
    """
    if zone.kind is not ZoneKind.OWN:
        return (), ()
    if rrset.type in (types.A, types.AAAA):
        return (), tuple(rrset.data[:MAX_ADDRESSES])
    names: dict[bytes, None] = {}
    addresses: dict[bytes, None] = {}
    if rrset.type in (types.SVCB, types.HTTPS):
        for data in rrset.data[:MAX_ADDRESSES]:
            found = _of_service(rrset.type, data)
            names.update(dict.fromkeys(found[0]))
            addresses.update(dict.fromkeys(found[1]))
    return tuple(names), tuple(addresses)[:MAX_ADDRESSES]


def _of_service(qtype: int, data: bytes) -> tuple[tuple[bytes, ...], tuple[bytes, ...]]:
    """Return what one SVCB or HTTPS record leads to; nothing if it cannot be read, as no client can then."""
    question = question_of((b"", qtype, False, False))
    head = b"\0\0" + (types.QR | types.RD | types.RA).to_bytes(2) + b"\0\1\0\1\0\0\0\0"
    record = _ROOT + qtype.to_bytes(2) + b"\0\1\0\0\0\0" + len(data).to_bytes(2) + data
    try:
        response = parse(head + question + record, len(question))
    except BadMessage:
        return (), ()
    return response.names, response.addresses
