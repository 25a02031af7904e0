"""Records of a local zone: one text each, as in a zone file (RFC 1035 section 5.1), parsed into what answers need."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

import dns.exception
import dns.name
import dns.rdatatype
import dns.rrset
import dns.zonefile

from blockd.dns import types
from blockd.errors import BadName
from blockd.names import DomainName, key_from_wire
from blockd.settings.values import shown

MAX_RECORDS = 10_000  # of all local zones together
MAX_RECORD_TEXT = 8_192  # characters of one
MAX_RRSET = 32_768  # octets of data of one name and type, so that an alias that leads there fits in one answer with it
MAX_ALIASES = 16  # that follow each other
MAX_RECORD_TTL = 604_800  # seconds: a week, above which caches cut it (RFC 8767 section 4)
DEFAULT_TTL = 3_600  # seconds, of a record without one

# What a resolver makes or checks itself, or what needs a name server of the zone.
_REFUSED = {
    "DNAME": "name the aliases one by one, or use a wildcard with a CNAME",
    **dict.fromkeys(
        ("RRSIG", "NSEC", "NSEC3", "NSEC3PARAM", "DNSKEY", "CDNSKEY", "CDS", "KEY", "SIG", "NXT"),
        "local zones are not signed",
    ),
    "DS": "a DS record is asked for where the zone above is",
}
_EXPECTED = "write it as in a zone file, such as `www 300 A 192.0.2.1`"
_META = range(128, 256)  # types of questions only (RFC 6895 section 3.1)


@dataclass(frozen=True, slots=True)
class ZoneRecord:
    """One record: the key of its owner, its type, its TTL in seconds, and its data, names in it uncompressed."""

    owner: bytes
    type: int
    ttl: int
    data: bytes


def records_of(zone: str, texts: Sequence[object]) -> tuple[tuple[ZoneRecord, ...], list[str]]:
    """Return the records of a zone that its texts stand for, and a sentence for each thing that is wrong."""
    if len(texts) > MAX_RECORDS:
        return (), [f"expected at most {MAX_RECORDS:,} records, got {len(texts):,}"]
    apex = DomainName.from_text(zone).key
    origin = dns.name.from_wire(DomainName(apex).wire, 0)[0]
    found: dict[ZoneRecord, None] = {}
    problems: list[str] = []
    for number, text in enumerate(texts):
        try:
            found[_record(apex, origin, text)] = None
        except ValueError as error:
            problems.append(f"record {number} ({shown(text)}): {error}")
    return tuple(found), problems or _disagreements(apex, tuple(found))


def type_name(number: int) -> str:
    """Return a type's name, such as `AAAA` or `TYPE65534`."""
    return str(dns.rdatatype.to_text(dns.rdatatype.RdataType.make(number)))


def _record(apex: bytes, origin: dns.name.Name, text: object) -> ZoneRecord:
    if not isinstance(text, str) or len(text) > MAX_RECORD_TEXT:
        raise ValueError(f"expected a text of at most {MAX_RECORD_TEXT:,} characters; put it in quotes")
    rrset, data = _parsed(origin, text)
    name = type_name(rrset.rdtype)
    if name in _REFUSED or rrset.rdtype == types.OPT or rrset.rdtype in _META or not rrset.rdtype:
        raise ValueError(
            f"records of type {name} are not taken here{f': {_REFUSED[name]}' if name in _REFUSED else ''}"
        )
    if not 0 <= rrset.ttl <= MAX_RECORD_TTL:
        raise ValueError(f"expected a TTL of 0 to {MAX_RECORD_TTL} seconds, got {rrset.ttl}")
    try:
        owner = key_from_wire(rrset.name.to_wire() or b"")
    except BadName as error:
        raise ValueError(f"its name is wrong ({error.reason})") from None
    if not owner.startswith(apex):
        raise ValueError(f"its name is outside of the zone {DomainName(apex).text}; did you forget the dot at the end?")
    if rrset.rdtype == types.NS and owner != apex:
        raise ValueError("a part of a local zone cannot be delegated; list that zone in `forward`")
    return ZoneRecord(owner, int(rrset.rdtype), rrset.ttl, data)


def _parsed(origin: dns.name.Name, text: str) -> tuple[dns.rrset.RRset, bytes]:
    """Return the one record that a text has, and its data; raises ValueError."""
    try:
        owner, rest = (*text.split(maxsplit=1), "", "")[:2]
        rrsets = dns.zonefile.read_rrsets(
            rest, name=dns.name.from_text(owner, origin), rdclass=None, origin=origin, default_ttl=DEFAULT_TTL
        )
        data = rrsets[0][0].to_wire() if len(rrsets) == 1 == len(rrsets[0]) else None
    except dns.exception.DNSException as error:
        reason = str(error).rpartition(": ")[2] or type(error).__name__
        raise ValueError(f"cannot be read ({reason}); {_EXPECTED}") from None
    except (ValueError, ArithmeticError, LookupError, TypeError, struct.error) as error:
        if "SOA" in str(error):
            raise ValueError("an SOA record belongs to the zone itself; write `@`") from None
        raise ValueError(f"cannot be read ({error}); {_EXPECTED}") from None
    if data is None or rrsets[0].rdclass != types.CLASS_IN:
        raise ValueError(f"expected one record of class IN; {_EXPECTED}")
    return rrsets[0], bytes(data)


def _disagreements(apex: bytes, records: Sequence[ZoneRecord]) -> list[str]:
    """Return a sentence for each thing that records cannot say together."""
    kinds: dict[bytes, set[int]] = {}
    sizes: dict[tuple[bytes, int], int] = {}
    count: dict[tuple[bytes, int], int] = {}
    ttls: dict[tuple[bytes, int], set[int]] = {}
    for record in records:
        rrset = record.owner, record.type
        kinds.setdefault(record.owner, set()).add(record.type)
        ttls.setdefault(rrset, set()).add(record.ttl)
        count[rrset] = count.get(rrset, 0) + 1
        sizes[rrset] = sizes.get(rrset, 0) + len(record.data) + 12
    problems = [
        f"{DomainName(owner).text} has a CNAME record and others; a name with a CNAME has nothing else (RFC 2181 10.1)"
        for owner, held in kinds.items()
        if types.CNAME in held and (len(held) > 1 or owner == apex)
    ]
    for rrset, number in count.items():
        what = f"{DomainName(rrset[0]).text} has {number:,} records of type {type_name(rrset[1])}"
        if number > 1 and rrset[1] in (types.CNAME, types.SOA):
            problems.append(f"{what}; expected one")
        elif sizes[rrset] > MAX_RRSET:
            problems.append(f"{what}, {sizes[rrset]:,} octets; expected at most {MAX_RRSET:,}")
        elif len(ttls[rrset]) > 1:
            problems.append(f"{what} with different TTLs; expected one TTL (RFC 2181 section 5.2)")
    return problems
