cimport cython

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy

from blockd.names._numbers cimport MAX_LABELS, MAX_TRANSLATIONS
from blockd.names._translation cimport Translation
from blockd.orders._numbers cimport NO_TIER
from blockd.ruleset._numbers cimport MAX_SALTS, SCOPE_BITS
from blockd.ruleset._blake2s cimport B2State
from blockd.ruleset._parties cimport Decision, PartyDecisions, Ruling

cdef enum:
    MAX_SEEN = 64  # networks; with more, addresses are decided about anew

cdef struct Claims:
    const uint8_t *entry  # their entry's key in the mapped file
    const uint8_t *next  # 32 bits each
    uint32_t size  # octets of the key
    uint32_t left

cdef struct Prefixes:  # of the networks listed of one kind that may hold an address
    uint8_t kind  # the first octet of their keys
    uint8_t added  # bits in front of the address where prefixes are compared
    uint32_t size  # octets of the address
    uint32_t count
    const uint8_t *packed
    const uint8_t *lengths  # bits, the longest first

cdef struct Seen:  # the longest networks that held addresses of one answer; all that hold those are the same
    bint is_kept
    uint32_t count
    const uint8_t *entries[MAX_SEEN]

cdef inline bint is_seen(Seen *seen, const uint8_t *entry) noexcept nogil:
    """Return whether an address of the same network was decided about, and note it if not."""
    cdef uint32_t i
    for i in range(seen.count):
        if seen.entries[i] == entry:
            return True
    if seen.count < MAX_SEEN:
        seen.entries[seen.count] = entry
        seen.count += 1
    return False

cdef inline Prefixes prefixes_of(
    uint8_t kind, uint8_t added, const uint8_t *packed, uint32_t size, const uint8_t *lengths, uint32_t count
) noexcept nogil:
    cdef Prefixes made
    made.kind, made.added, made.packed, made.size, made.lengths, made.count = kind, added, packed, size, lengths, count
    return made

cdef inline uint32_t _u32(const uint8_t *at) noexcept nogil:
    cdef uint32_t value
    memcpy(&value, at, 4)
    return value

cdef inline Claims *_first(Claims *sets, int count) noexcept nogil:
    """Return the set whose next claim is the best in rank; an empty one if no claim is left."""
    cdef Claims *best = sets
    cdef int i
    for i in range(1, count):
        if sets[i].left and (best.left == 0 or _u32(sets[i].next) >> SCOPE_BITS < _u32(best.next) >> SCOPE_BITS):
            best = &sets[i]
    return best


cdef inline void _set(Decision *found, Ruling ruling, uint32_t order, const Claims *claims, uint8_t action) noexcept nogil:
    found.ruling = ruling
    found.order = order
    found.entry = claims.entry
    found.entry_size = claims.size
    found.action = action
    found.tier = NO_TIER


cdef inline tuple _told(Decision found):
    """Return ruling, order index, octets of the entry's key, tier, until, tiers left, and whether any party passes."""
    return (
        int(found.ruling), found.order, found.entry_size, found.tier, found.until, found.tiers_left, bool(found.passing)
    )


@cython.final
cdef class Table(PartyDecisions):
    cdef object _octets
    cdef object _states
    cdef object _actions
    cdef object _tiers
    cdef bytes _lives
    cdef bytes _groups
    cdef const uint8_t[::1] _view
    cdef const uint8_t[::1] _state_view
    cdef const uint8_t *base
    cdef const uint8_t *buckets
    cdef const uint8_t *records
    cdef const uint8_t *claims
    cdef const uint8_t *states
    cdef const uint8_t *stale
    cdef const uint8_t *epoch_at
    cdef const uint8_t *actions
    cdef const uint8_t *tiers
    cdef const uint8_t *groups  # of orders with exceptions, NULL if there are none
    cdef int salt_count
    cdef B2State salts[MAX_SALTS]  # each after its salt
    cdef uint64_t bucket_count
    cdef uint64_t records_size
    cdef uint64_t claim_words
    cdef uint64_t k0
    cdef uint64_t k1
    cdef uint32_t orders
    cdef uint32_t max_labels
    cdef bint may_allow
    cdef bint asks_client
    cdef uint8_t first_tier
    cdef uint32_t ipv4_count
    cdef uint32_t ipv6_count
    cdef uint8_t ipv4_lengths[33]  # of the networks listed, the longest first
    cdef uint8_t ipv6_lengths[129]
    cdef bytes _priorities
    cdef Seen seen  # kept while the addresses of an answer are judged
    cdef uint32_t translation_count
    cdef Translation translations[MAX_TRANSLATIONS]

    cdef Decision decide(self, const uint8_t *key, uint32_t size, const uint16_t *ends, int labels) noexcept nogil
    cdef int hash_suffixes(self, const uint8_t *key, const uint16_t *ends, int labels, uint64_t *hashes) noexcept nogil
    cdef bint approach(self, const uint64_t *hashes, int count) noexcept nogil
    cdef Decision decide_hashed(self, const uint8_t *key, uint32_t size, const uint16_t *ends, int labels, const uint64_t *hashes, int count) noexcept nogil
    cdef Decision _decide_salted(self, const uint8_t *key, uint32_t size, const uint16_t *ends, int labels, const uint64_t *hashes, int count) noexcept nogil
    cdef void _end(self, Decision *found) noexcept nogil
    cdef inline bint _take_claims(self, const uint8_t *key, uint32_t size, uint64_t hashed, Claims *claims, Decision *found) noexcept nogil
    cdef inline bint _weigh_claims(self, Claims *sets, int count, int scope, Decision *found, uint64_t *closed) noexcept nogil
    cdef Decision decide_key(self, const uint8_t *key, uint32_t size) noexcept nogil
    cdef inline bint _weigh(self, const uint8_t *key, uint32_t size, uint64_t hashed, int scope, Decision *found, uint64_t *closed) noexcept nogil
    cdef Decision decide_client(self, const uint8_t *packed, uint32_t size) noexcept nogil
    cdef Decision _decide_networks(self, const Prefixes *one, const Prefixes *other) noexcept nogil
    cdef inline int _take_network(self, const Prefixes *of, int bits, Claims *claims, Decision *found) noexcept nogil
    cdef Decision decide_address(self, const uint8_t *packed, uint32_t size) noexcept nogil
    cdef Decision decide_ruled(self, const uint8_t *key, uint32_t size, const uint16_t *ends, int labels, const Decision *rule) noexcept nogil
    cdef uint32_t epoch(self) noexcept nogil
    cdef int64_t find(self, const uint8_t *key, uint32_t size, uint64_t hashed, const uint8_t **entry) noexcept nogil
