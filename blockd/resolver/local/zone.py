"""One local zone: what its names have, and what is said of those that it does not have."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum

from blockd.dns import types
from blockd.names import DomainName, label_ends
from blockd.settings import ZoneRecord
from blockd.settings.zone_records import DEFAULT_TTL

DEFAULT_ZONE_TTL = 10_800  # seconds, RFC 6303 section 3
OWN_NEGATIVE_TTL = 300  # seconds: a name that is added to the config must soon be seen
STAR = b"\1*"  # the label of a wildcard (RFC 4592)

_RNAME = b"\6nobody\7invalid\0"  # RFC 6303 section 3
_TIMERS = b"".join(seconds.to_bytes(4) for seconds in (1, 3600, 1200, 604_800))  # the serial among them; the same


class ZoneKind(Enum):
    """Where a local answer comes from; the value is its place among the counters."""

    OWN = 0  # `local.zones` and `local.names`
    DEFAULT = 1
    CANARY = 2
    DISCOVERY = 3  # of this resolver's own transports


@dataclass(frozen=True, slots=True)
class RRset:
    """The records of one name and type: TTL in seconds, and the data of each, names in it uncompressed."""

    type: int
    ttl: int
    data: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class LocalZoneData:
    """A zone, or a single name, that is answered here.

    `soa` is an SOA record without its owner, TTL included, as a negative answer has it. `nodes` has the records of each
    name that exists, by key and type; also of those that exist only because there is something below them (RFC 8020).
    With `is_single`, it is about its own name and none below it. With `exists`, every name in it exists. `errors` is an
    EDE option for each answer, or empty. `is_delegated` says that the zone above, where its DS record would be, is
    elsewhere.
    """

    key: bytes
    kind: ZoneKind
    source: str
    soa: bytes
    nodes: Mapping[bytes, Mapping[int, RRset]] = field(default_factory=dict)
    is_single: bool = False
    exists: bool = False
    errors: bytes = b""
    is_delegated: bool = True

    @property
    def text(self) -> str:
        """Its name."""
        return DomainName(self.key).text

    @property
    def missing(self) -> int:
        """The rcode for a name that it does not have."""
        return types.NOERROR if self.exists else types.NXDOMAIN


def soa_data(key: bytes, negative_ttl: int) -> bytes:
    """Return the data of the SOA record that a zone has if nobody gives it one (RFC 6303 section 3)."""
    return DomainName(key).wire + _RNAME + _TIMERS + negative_ttl.to_bytes(4)


def nodes_of(
    apex: bytes, records: Iterable[ZoneRecord], below: Iterable[bytes], negative_ttl: int, *, is_single: bool = False
) -> dict[bytes, dict[int, RRset]]:
    """Return what each name of a zone has.

    The zone itself has an SOA and an NS record, whether given or not. `below` are keys of zones inside of it.
    """
    nodes: dict[bytes, dict[int, RRset]] = {apex: {}}
    for record in records:
        rrsets = nodes.setdefault(record.owner, {})
        before = rrsets.get(record.type)
        if before is None or record.data not in before.data:
            ttl = before.ttl if before else record.ttl  # one for all (RFC 2181 section 5.2)
            rrsets[record.type] = RRset(record.type, ttl, (*(before.data if before else ()), record.data))
    if is_single:
        return nodes
    nodes[apex].setdefault(types.SOA, RRset(types.SOA, negative_ttl, (soa_data(apex, negative_ttl),)))
    nodes[apex].setdefault(types.NS, RRset(types.NS, negative_ttl, (DomainName(apex).wire,)))
    for key in (*nodes, *below):
        for end in label_ends(key)[:-1]:
            if end > len(apex):
                nodes.setdefault(key[:end], {})
    return nodes


def negative_soa(key: bytes, nodes: Mapping[bytes, Mapping[int, RRset]], negative_ttl: int) -> bytes:
    """Return the SOA record of a negative answer without its owner (RFC 2308 section 3)."""
    given = nodes[key].get(types.SOA)
    data = given.data[0] if given else soa_data(key, negative_ttl)
    ttl = min(given.ttl if given else negative_ttl, int.from_bytes(data[-4:]))
    return types.SOA.to_bytes(2) + b"\0\1" + ttl.to_bytes(4) + len(data).to_bytes(2) + data


def address_records(owner: bytes, packed: Iterable[bytes]) -> list[ZoneRecord]:
    """Return the A and AAAA records of a name with these addresses."""
    return [
        ZoneRecord(owner, types.A if len(octets) == 4 else types.AAAA, DEFAULT_TTL, octets)
        for octets in dict.fromkeys(packed)
    ]
