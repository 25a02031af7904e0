from libc.stdint cimport int32_t, uint8_t, uint16_t, uint32_t

from blockd.resolver._zone_table cimport NativeZoneTable

cdef enum:
    MAX_SOA = 600  # octets of an SOA record without its owner: two names and the numbers (RFC 1035 section 3.3.13)

cdef enum Where:
    ELSEWHERE = 0  # resolved as any name
    DEFERRED = 1  # in a forwarded zone, or in a local one that Python must answer from: aliases, ANY, DS of a zone
    HELD = 2  # in a local zone that has what is asked for
    MISSING = 3  # in a local zone that does not have it

cdef struct LocalSet:
    uint16_t qtype
    uint16_t count  # records
    uint32_t size
    uint32_t ttl  # seconds, of each
    const uint8_t *records  # each owned by the question's name
    const uint8_t *leads  # what they lead to: as in an entry of the cache
    uint32_t leads_size

cdef struct LocalNode:
    int32_t zone  # its place among the zones, -1 if it is forwarded
    int32_t star  # the place of the node with the records of names below that do not exist, -1 if there is none
    int32_t first  # of its sets
    int32_t count  # of these
    bint is_alias
    bint is_single  # names below it are resolved elsewhere
    bint is_cut  # the zone above has its DS record

cdef struct LocalZone:
    uint32_t size  # octets of its key
    const uint8_t *soa  # without its owner, as in a negative answer
    uint32_t soa_size
    uint32_t ttl  # seconds, of the negative answer
    const uint8_t *errors
    uint32_t errors_size
    int rcode  # for a name that it does not have
    int kind  # its place among metrics.counters.LOCAL_KINDS

cdef struct LocalFound:
    const LocalZone *zone
    const LocalSet *held
    int rcode

cdef class NativeLocalZones:
    cdef NativeZoneTable table
    cdef list _kept
    cdef LocalNode *nodes
    cdef LocalZone *zones
    cdef LocalSet *sets

    cdef Where look(self, const uint8_t *key, uint32_t size, uint16_t qtype, LocalFound *found) noexcept nogil
