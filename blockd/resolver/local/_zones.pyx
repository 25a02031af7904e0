# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Local zones for the engine in C: whether a name is in one, and the negative answers, which are most of them.

`LocalZones` says what a name has; here is only that it has nothing. A reverse name of a private address, which hosts ask
for in floods, is answered without Python.
"""

from libc.stdint cimport int32_t, uint8_t, uint32_t
from libc.stdlib cimport calloc, free

from blockd.resolver._zone_table cimport NativeZoneTable


cdef class NativeLocalZones:
    """What `local`, a `LocalZones`, answers, in structs; nothing of it changes."""

    def __init__(self, local):
        cdef int32_t place
        cdef bytes soa, errors
        if self.nodes != NULL:
            raise ValueError("the zones were given before")
        nodes, zones = local.nodes, local.zones
        self.table = NativeZoneTable([node.key for node in nodes])
        self.nodes = <LocalNode *>calloc(len(nodes) + 1, sizeof(LocalNode))
        self.zones = <LocalZone *>calloc(len(zones) + 1, sizeof(LocalZone))
        if self.nodes == NULL or self.zones == NULL:
            raise MemoryError
        self._kept = []
        places = {}
        for place, zone in enumerate(zones):
            soa, errors = zone.soa, zone.errors
            if not 32 <= len(soa) <= MAX_SOA:
                raise ValueError("an SOA record is too short or too long")
            self._kept += [soa, errors]
            places[zone.key] = place
            self.zones[place] = LocalZone(
                len(zone.key), <const uint8_t *><const char *>soa, len(soa), int.from_bytes(soa[4:8]),
                <const uint8_t *><const char *>errors, len(errors), zone.missing, zone.kind.value,
            )
        for place, node in enumerate(nodes):
            zone = node.zone
            if zone is None:
                self.nodes[place] = LocalNode(FORWARDED, FORWARDED, -1)
            else:
                below = ELSEWHERE if zone.is_single else PRESENT if node.has_star else MISSING
                self.nodes[place] = LocalNode(PRESENT, below, places[zone.key])

    def __dealloc__(self):
        free(self.nodes)
        free(self.zones)

    cdef Where look(self, const uint8_t *key, uint32_t size, const LocalZone **zone) noexcept nogil:
        """Return what a name is; `zone` is set if it is MISSING."""
        cdef int32_t place = self.table.find_key(key, size)
        cdef const LocalNode *node
        zone[0] = NULL
        if place < 0:
            return ELSEWHERE
        node = &self.nodes[place]
        if node.zone >= 0:
            zone[0] = &self.zones[node.zone]
        if self.table.sizes[place] == size:
            return node.at
        return node.below
