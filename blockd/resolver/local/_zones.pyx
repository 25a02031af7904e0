# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Local zones for the engine in C: what their names have, but for what leads on to other names.

Names of local zones are asked for in floods: reverse names of private addresses, the name of a page that all visit.
"""

from libc.stdint cimport int32_t, uint8_t, uint16_t, uint32_t
from libc.stdlib cimport calloc, free

from blockd.dns cimport _types as types
from blockd.resolver._zone_table cimport NativeZoneTable
from blockd.resolver.engine._cache cimport LEAD_ADDRESS, LEAD_NAME
from blockd.resolver.local.leading import leads_of

_OWNER = (types.POINTER << 8 | types.HEADER_SIZE).to_bytes(2, "big")


cdef class NativeLocalZones:
    """What `local`, a `LocalZones`, answers, in structs; nothing of it changes."""

    def __init__(self, local):
        cdef int32_t place, number = 0
        cdef bytes soa, errors, records, leads
        if self.nodes != NULL:
            raise ValueError("the zones were given before")
        nodes, zones = local.nodes, local.zones
        self.table = NativeZoneTable([node.key for node in nodes])
        self.nodes = <LocalNode *>calloc(len(nodes) + 1, sizeof(LocalNode))
        self.zones = <LocalZone *>calloc(len(zones) + 1, sizeof(LocalZone))
        self.sets = <LocalSet *>calloc(sum(len(node.rrsets) for node in nodes) + 1, sizeof(LocalSet))
        if self.nodes == NULL or self.zones == NULL or self.sets == NULL:
            raise MemoryError
        self._kept = []  # what is pointed to
        zone_places = {zone.key: place for place, zone in enumerate(zones)}
        node_places = {node.key: place for place, node in enumerate(nodes)}
        for place, zone in enumerate(zones):
            soa, errors = zone.soa, zone.errors
            if not 32 <= len(soa) <= MAX_SOA:
                raise ValueError("an SOA record is too short or too long")
            self._kept += [soa, errors]
            self.zones[place] = LocalZone(
                len(zone.key), <const uint8_t *><const char *>soa, len(soa), int.from_bytes(soa[4:8], "big"),
                <const uint8_t *><const char *>errors, len(errors), zone.missing, zone.kind.value,
            )
        for place, node in enumerate(nodes):
            zone = node.zone
            star = node_places[node.star_key] if node.has_star else -1
            is_cut = zone is not None and node.key == zone.key and zone.is_delegated and not zone.is_single
            self.nodes[place] = LocalNode(
                zone_places[zone.key] if zone is not None else -1, star, number, len(node.rrsets),
                types.CNAME in node.rrsets, zone is not None and zone.is_single, is_cut,
            )
            for rrset in node.rrsets.values():
                head = rrset.type.to_bytes(2, "big") + b"\0\1" + rrset.ttl.to_bytes(4, "big")
                records = b"".join(_OWNER + head + len(data).to_bytes(2, "big") + data for data in rrset.data)
                names, addresses = leads_of(zone, rrset)
                leads = b"".join(bytes((LEAD_NAME, len(name))) + name for name in names)
                leads += b"".join(bytes((LEAD_ADDRESS, len(address))) + address for address in addresses)
                self._kept += [records, leads]
                self.sets[number] = LocalSet(
                    rrset.type, len(rrset.data), len(records), rrset.ttl, <const uint8_t *><const char *>records,
                    <const uint8_t *><const char *>leads, len(leads),
                )
                number += 1

    def __dealloc__(self):
        free(self.nodes)
        free(self.zones)
        free(self.sets)

    cdef Where look(self, const uint8_t *key, uint32_t size, uint16_t qtype, LocalFound *found) noexcept nogil:
        """Return what there is for a question; `found` is set if it is HELD or MISSING."""
        cdef int32_t place = self.table.find_key(key, size)
        cdef int32_t number
        cdef const LocalNode *node
        if place < 0:
            return ELSEWHERE
        node = &self.nodes[place]
        if node.zone < 0:  # forwarded to upstreams of its own
            return ELSEWHERE
        found.zone = &self.zones[node.zone]
        found.rcode = types.NOERROR
        if self.table.sizes[place] != size:
            if node.is_single:
                return ELSEWHERE
            if node.star < 0:
                found.rcode = found.zone.rcode
                return MISSING
            node = &self.nodes[node.star]
        elif qtype == types.DS and node.is_cut:
            return DEFERRED
        if node.is_alias or qtype == types.ANY:
            return DEFERRED
        for number in range(node.first, node.first + node.count):
            if self.sets[number].qtype == qtype:
                found.held = &self.sets[number]
                return HELD
        return MISSING
