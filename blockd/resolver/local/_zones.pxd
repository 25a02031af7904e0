from libc.stdint cimport int32_t, uint8_t, uint32_t

from blockd.resolver._zone_table cimport NativeZoneTable

cdef enum:
    MAX_SOA = 600  # octets of an SOA record without its owner: two names and the numbers (RFC 1035 section 3.3.13)

cdef enum Where:
    ELSEWHERE = 0  # resolved as any name
    FORWARDED = 1  # in a forwarded zone
    PRESENT = 2  # in a local zone, and more than a negative answer may be due: Python knows what
    MISSING = 3  # in a local zone that has nothing for it

cdef struct LocalNode:
    Where at  # what a name is whose key this is
    Where below  # what a name is that is under it, and under nothing else that is known
    int32_t zone  # its place among the zones, -1 for none

cdef struct LocalZone:
    uint32_t size  # octets of its key
    const uint8_t *soa  # without its owner, as in a negative answer
    uint32_t soa_size
    uint32_t ttl  # seconds, of the negative answer
    const uint8_t *errors
    uint32_t errors_size
    int rcode  # for a name that it does not have
    int kind  # its place among metrics.counters.LOCAL_KINDS

cdef class NativeLocalZones:
    cdef NativeZoneTable table
    cdef list _kept
    cdef LocalNode *nodes
    cdef LocalZone *zones

    cdef Where look(self, const uint8_t *key, uint32_t size, const LocalZone **zone) noexcept nogil
