from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from blockd.resolver._ages cimport Age, Ages
from blockd.ruleset._parties cimport Decision

cdef enum LeadKind:
    LEAD_NAME = 0
    LEAD_ADDRESS = 1
    LEAD_EXTRA = 2  # the owner of addresses in the additional section, where the answer does not lead
    LEAD_EXTRA_ADDRESS = 3  # one of these

cdef struct Entry:
    Age age  # of its last use
    Entry *chain
    uint64_t hash
    double stored  # by the monotonic clock, seconds
    double expires
    double refresh_at  # from when on it is to be asked for anew, if it is used often; infinite if it never is
    uint32_t uses  # since it was stored
    uint32_t ceiling  # seconds, the limit of its TTLs when it was stored
    uint32_t key_size
    uint32_t records_size
    uint32_t ttl_count
    uint32_t errors_size
    uint32_t leads_size
    uint32_t size  # octets of the whole allocation
    uint16_t qtype
    uint16_t counts[3]
    uint8_t do_
    uint8_t cd
    uint8_t rcode
    uint8_t authentic
    uint8_t negative  # no record of the type asked is at the end of its chain
    uint8_t source  # which upstream it is from: a place in the cache's `sources`
    uint64_t judged_by  # the table's number and the epoch that the decisions belong to, 0 for none
    uint64_t judged_for  # who acts in them, as `Answering._judge` writes it
    Decision decision  # about what the response leads to
    Decision extras  # about its additional section, where that does not lead
    uint8_t *key
    uint8_t *records
    uint32_t *ttls  # pairs: place in the records, seconds
    uint8_t *errors
    uint8_t *leads  # kind, size, octets; one after the other


cdef Entry *new_entry(
    uint32_t key_size, uint32_t records_size, uint32_t ttl_count, uint32_t errors_size, uint32_t leads_size
) noexcept nogil
cdef Entry *copy_of(const Entry *entry) noexcept nogil


cdef class NativeCache:
    cdef Entry **buckets
    cdef uint64_t mask
    cdef uint64_t k0
    cdef uint64_t k1
    cdef uint64_t limit
    cdef readonly uint64_t size
    cdef readonly uint64_t count
    cdef Ages ages
    cdef double max_ttl
    cdef double max_negative_ttl
    cdef double stale  # seconds that an entry is kept after it has expired
    cdef bint prefetch
    cdef uint64_t[::1] row  # the counters of the process, which note how much it holds
    cdef bint has_row
    cdef list sources  # upstreams that entries are from, as sentences name them; the first is empty: not known
    cpdef uint8_t source_of(self, str upstream)

    cdef uint64_t hash_of(self, const uint8_t *key, uint32_t size, uint16_t qtype, bint do_, bint cd) noexcept nogil
    cdef void call_bucket(self, uint64_t hashed) noexcept nogil
    cdef void call_entry(self, uint64_t hashed) noexcept nogil
    cdef Entry *find(
        self, uint64_t hashed, const uint8_t *key, uint32_t size, uint16_t qtype, bint do_, bint cd, double now
    ) noexcept nogil
    cdef Entry *find_stale(
        self, uint64_t hashed, const uint8_t *key, uint32_t size, uint16_t qtype, bint do_, bint cd, double now
    ) noexcept nogil
    cdef Entry *_entry_of(
        self, uint64_t hashed, const uint8_t *key, uint32_t size, uint16_t qtype, bint do_, bint cd
    ) noexcept nogil
    cdef bint claims_refresh(self, Entry *entry, double now) noexcept nogil
    cdef bint keep(self, Entry *entry, uint32_t lifetime, double now) noexcept nogil
    cdef Entry *_asked_for(self, tuple question)
    cdef list _next_newest(self, int most)
    cdef list _found(self, bytes name, bint below, uint64_t first)
    cdef void _grow(self, int entries, int64_t octets) noexcept nogil
    cdef void _drop(self, Entry *entry) noexcept nogil
