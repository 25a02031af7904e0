"""All that is answered here, made from the settings once: which zone a name is in, and what it has."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from ipaddress import ip_address

from blockd.dns import types
from blockd.names import DomainName, label_ends
from blockd.resolver.local import canaries
from blockd.resolver.local.defaults import RESOLVER_ARPA, DefaultState, default_states, key_of
from blockd.resolver.local.discovery import Designation
from blockd.resolver.local.zone import (
    DEFAULT_ZONE_TTL,
    OWN_NEGATIVE_TTL,
    STAR,
    LocalZoneData,
    RRset,
    ZoneKind,
    address_records,
    negative_soa,
    nodes_of,
)
from blockd.resolver.zone_table import NO_ZONE, ZoneTable
from blockd.settings import Settings, Upstream, ZoneRecord
from blockd.settings.zone_records import DEFAULT_TTL

_LOOPBACK = (b"\x7f\0\0\1", bytes(15) + b"\1")
# The data of default zones that are not empty (RFC 6761 section 6.3, and the reverse of it).
_DATA: dict[str, list[ZoneRecord]] = {
    "localhost": [record for name in (b"", STAR) for record in address_records(key_of("localhost") + name, _LOOPBACK)],
    "127.in-addr.arpa": [
        ZoneRecord(key_of("1.0.0.127.in-addr.arpa"), types.PTR, DEFAULT_TTL, b"\x09localhost\0"),
    ],
    f"1.{'0.' * 31}ip6.arpa": [
        ZoneRecord(key_of(f"1.{'0.' * 31}ip6.arpa"), types.PTR, DEFAULT_TTL, b"\x09localhost\0"),
    ],
}
_NEGATIVE_TTLS = {
    ZoneKind.OWN: OWN_NEGATIVE_TTL,
    ZoneKind.DEFAULT: DEFAULT_ZONE_TTL,
    ZoneKind.CANARY: canaries.TTL,
    ZoneKind.DISCOVERY: OWN_NEGATIVE_TTL,
}


@dataclass(frozen=True, slots=True)
class Node:
    """A key that something is known of: the zone that it is in, None if it is forwarded, and what it has there."""

    key: bytes
    zone: LocalZoneData | None
    rrsets: dict[int, RRset]
    has_star: bool = False  # names below it that do not exist have the records of a wildcard

    @property
    def star_key(self) -> bytes:
        """The key of that wildcard."""
        return self.key + STAR


@dataclass(frozen=True, slots=True)
class Found:
    """What a local zone has for a name: its records by type, and the rcode if it has none of the type asked for."""

    zone: LocalZoneData
    rrsets: dict[int, RRset]
    rcode: int


class LocalZones:
    """The local zones of a resolver. The longest zone that a name is at or under decides, local or forwarded."""

    def __init__(self, zones: Iterable[LocalZoneData], forwarded: Iterable[bytes] = ()) -> None:
        """Take zones of which no two have the same key, and the keys of forwarded zones."""
        nodes = {key: Node(key, None, {}) for key in forwarded}
        self.zones = tuple(zones)
        for zone in self.zones:
            for key, rrsets in zone.nodes.items():
                if key == zone.key or key not in nodes:
                    nodes[key] = Node(key, zone, dict(rrsets), key + STAR in zone.nodes)
        self.nodes = tuple(nodes.values())
        self._table = ZoneTable([node.key for node in self.nodes])
        self._by_key = nodes

    @classmethod
    def of(cls, settings: Settings, upstreams: Sequence[Upstream]) -> LocalZones:
        """Return those of a config; `upstreams` are those for all names, `system` replaced."""
        forwarded = [key_of(zone.zone) for zone in settings.forward]
        return cls(_zones(settings, default_states(settings, upstreams), forwarded), forwarded)

    def zone_of(self, key: bytes) -> LocalZoneData | None:
        """Return the local zone that answers for a name; None if none does."""
        node = self._node(key)
        return None if node is None or (node.key != key and node.zone and node.zone.is_single) else node.zone

    def find(self, key: bytes, qtype: int) -> Found | None:
        """Return what is said here of a name; None if it is resolved elsewhere."""
        node = self._node(key)
        if node is None or node.zone is None:
            return None
        zone = node.zone
        if node.key == key:
            if qtype == types.DS and key == zone.key and zone.is_delegated and not zone.is_single:
                return self._at_parent(key)
            return Found(zone, node.rrsets, types.NOERROR)
        if zone.is_single:
            return None
        if node.has_star:
            return Found(zone, self._by_key[node.star_key].rrsets, types.NOERROR)
        return Found(zone, {}, zone.missing)

    def _at_parent(self, key: bytes) -> Found | None:
        """Return what the zone above says of a zone's DS record (RFC 4035 section 3.1.4.1): that there is none."""
        ends = label_ends(key)
        zone = self.zone_of(key[: ends[-2] if len(ends) > 1 else 0])
        return None if zone is None else Found(zone, {}, types.NOERROR)

    def _node(self, key: bytes) -> Node | None:
        place = self._table.find(key)
        return None if place == NO_ZONE else self.nodes[place]


def _zones(settings: Settings, defaults: Iterable[DefaultState], forwarded: Sequence[bytes]) -> list[LocalZoneData]:
    """Return every zone, with the names of `local.names` in the zones that they are in."""
    bare: dict[bytes, tuple[LocalZoneData, list[ZoneRecord]]] = {}
    designation = Designation.of(settings)
    for zone in settings.local.zones:
        key = key_of(zone.zone)
        bare[key] = LocalZoneData(key, ZoneKind.OWN, "local.zones", b""), list(zone.records)
    for state in defaults:
        if state.is_on:
            default = LocalZoneData(
                state.zone.key, ZoneKind.DEFAULT, state.zone.source, b"",
                exists=state.zone.exists, is_delegated=state.zone.is_delegated,
            )  # fmt: skip
            bare[default.key] = default, list(_DATA.get(state.zone.name, ()))
            if designation is not None and state.zone.name == RESOLVER_ARPA:
                default = replace(default, kind=ZoneKind.DISCOVERY, source="discovery")
                bare[default.key] = default, designation.at_resolver()
    _add_names(settings, bare, forwarded)
    if designation is not None:
        _add_designation(designation, bare)
    if settings.canaries:
        errors = canaries.errors()
        for name in canaries.CANARIES:
            canary = LocalZoneData(key_of(name), ZoneKind.CANARY, "canaries", b"", exists=True, errors=errors)
            bare.setdefault(canary.key, (canary, []))
    places = ZoneTable(list(bare))
    inside: dict[bytes, list[bytes]] = {key: [] for key in bare}
    keys = list(bare)
    for key in (*bare, *forwarded):
        place = places.find(key[: _parent_end(key)])
        if place != NO_ZONE:
            inside[keys[place]].append(key)
    return [_finished(zone, records, inside[key]) for key, (zone, records) in bare.items()]


def _add_names(
    settings: Settings, bare: dict[bytes, tuple[LocalZoneData, list[ZoneRecord]]], forwarded: Sequence[bytes]
) -> None:
    """Add the names of `local.names`, and the reverse of their addresses where nothing else is known of that."""
    keys = [*bare, *forwarded]
    places = ZoneTable(keys)

    def add(owner: bytes, records: list[ZoneRecord]) -> None:
        place = places.find(owner)
        zone = keys[place] if place != NO_ZONE else b""
        if zone in bare and not bare[zone][0].exists:
            bare[zone][1].extend(records)
        else:
            single = LocalZoneData(owner, ZoneKind.OWN, "local.names", b"", is_single=True)
            bare.setdefault(owner, (single, []))[1].extend(records)

    known = {record.owner for _, records in bare.values() for record in records}
    reverse: dict[bytes, bytes] = {}
    for name in settings.local.names:
        for address in name.addresses:
            reverse.setdefault(key_of(address.reverse_pointer), name.key)
        add(name.key, address_records(name.key, [address.packed for address in name.addresses]))
    for owner, target in reverse.items():
        place = places.find(owner)
        if owner not in known and not (place != NO_ZONE and keys[place] in forwarded):
            add(owner, [ZoneRecord(owner, types.PTR, DEFAULT_TTL, DomainName(target).wire)])


def _add_designation(designation: Designation, bare: dict[bytes, tuple[LocalZoneData, list[ZoneRecord]]]) -> None:
    """Add what is announced at the resolver's own name, beside the records that the config has for that name."""
    name = designation.name.key
    places = {record.owner: zone for zone, (_, records) in bare.items() for record in records}
    place = name if name in bare else places.get(name)
    own = [designation.about(name)]
    if place is not None:
        given = {record.type for record in bare[place][1] if record.owner == name}
        if not given & {types.CNAME, types.RESINFO}:
            bare[place][1].extend(own)
    elif designation.addresses:
        own += address_records(name, [ip_address(address).packed for address in designation.addresses])
        _add_single(name, own, bare)
    _add_single(designation.name_key, designation.services(designation.name_key), bare)


def _add_single(
    owner: bytes, records: list[ZoneRecord], bare: dict[bytes, tuple[LocalZoneData, list[ZoneRecord]]]
) -> None:
    single = LocalZoneData(owner, ZoneKind.DISCOVERY, "discovery", b"", is_single=True)
    bare.setdefault(owner, (single, records))


def _finished(zone: LocalZoneData, records: Iterable[ZoneRecord], inside: Iterable[bytes]) -> LocalZoneData:
    ttl = _NEGATIVE_TTLS[zone.kind]
    nodes = nodes_of(zone.key, records, inside, ttl, is_single=zone.is_single)
    return replace(zone, nodes=nodes, soa=negative_soa(zone.key, nodes, ttl))


def _parent_end(key: bytes) -> int:
    ends = label_ends(key)
    return ends[-2] if len(ends) > 1 else 0
