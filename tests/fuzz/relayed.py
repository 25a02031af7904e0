"""What an answer may consist of: nothing malformed, and no record that its question does not lead to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import dns.exception
import dns.message
import dns.name
import dns.rdatatype
import dns.rrset

from tests.resolver.reading_alike import fault

_SIGNED = (dns.rdatatype.RRSIG,)
_OF_ZONES = (dns.rdatatype.SOA, dns.rdatatype.NS)
_PROOFS = (dns.rdatatype.DS, dns.rdatatype.NSEC, dns.rdatatype.NSEC3)
_EXTRAS = (
    *(dns.rdatatype.A, dns.rdatatype.AAAA, dns.rdatatype.CNAME),
    *(dns.rdatatype.HTTPS, dns.rdatatype.SVCB, dns.rdatatype.RRSIG),
)


def wrong(answer: bytes) -> str:
    """Return what is wrong with an answer to a client, in words; empty if nothing is."""
    malformed = fault(answer)
    if malformed:
        return malformed
    try:
        message = dns.message.from_wire(answer)
    except (dns.exception.DNSException, ValueError):  # parameters of an alias, which `fault` lets pass
        return ""
    if not message.question:
        return "records without a question" if message.answer or message.authority or message.additional else ""
    asked = message.question[0]
    if not message.answer and not message.authority and not message.additional:
        return ""
    chain = list(_chain(asked.name, asked.rdtype, message.answer))
    for rrset in message.answer:
        if not _is_of_chain(rrset, chain, asked.rdtype):
            return f"foreign in the answer section: {rrset}"
    for rrset in message.authority:
        is_above = any(name.is_subdomain(rrset.name) for name in chain)
        if rrset.rdtype in _OF_ZONES and not is_above:
            return f"foreign in the authority section: {rrset}"
        if rrset.rdtype not in (*_OF_ZONES, *_PROOFS, *_SIGNED):
            return f"not of an authority section: {rrset}"
    mentioned = set(_names((*message.answer, *message.authority, *message.additional))) | set(chain)
    for rrset in message.additional:
        if rrset.rdtype not in _EXTRAS or rrset.name not in mentioned:
            return f"foreign in the additional section: {rrset}"
    return ""


def _chain(
    name: dns.name.Name, rdtype: dns.rdatatype.RdataType, answers: Iterable[dns.rrset.RRset]
) -> Iterator[dns.name.Name]:
    """Yield a name and what it is an alias of, unless that is what was asked."""
    if rdtype == dns.rdatatype.CNAME:
        yield name
        return
    aliases = {rrset.name: rrset[0].target for rrset in answers if rrset.rdtype == dns.rdatatype.CNAME}
    seen = set[dns.name.Name]()
    while name not in seen:
        yield name
        seen.add(name)
        name = aliases.get(name, name)


def _is_of_chain(rrset: dns.rrset.RRset, chain: list[dns.name.Name], asked: dns.rdatatype.RdataType) -> bool:
    rdtype = rrset.covers if rrset.rdtype == dns.rdatatype.RRSIG else rrset.rdtype
    if rdtype == dns.rdatatype.DNAME and rrset.name not in chain:
        return any(name.is_subdomain(rrset.name) for name in chain)
    if rrset.name not in chain:
        return False
    return asked in (dns.rdatatype.ANY, rrset.rdtype, rdtype) or rdtype in (
        dns.rdatatype.CNAME,
        dns.rdatatype.DNAME,
    )


def _names(rrsets: Iterable[dns.rrset.RRset]) -> Iterator[dns.name.Name]:
    """Yield the names in records' data; the root in an SVCB record stands for its owner."""
    for rrset in rrsets:
        for record in rrset:
            for field in record.__slots__:
                value = getattr(record, field, None)
                if isinstance(value, dns.name.Name):
                    yield value
                    if value == dns.name.root:
                        yield rrset.name
