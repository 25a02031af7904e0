cimport cython

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from blockd.names._numbers cimport MAX_LABELS
from blockd.ruleset._numbers cimport MAX_SALTS
from blockd.ruleset._blake2s cimport B2State

cdef enum Ruling:
    RULED_NONE = 0  # nothing to do or to count
    RULED_ALLOWED = 1
    RULED_MONITORED = 2
    RULED_LISTED = 3
    RULED_BROKEN = 4  # the file is inconsistent
    RULED_PASSED = 5  # by a policy zone: later zones do not act

cdef struct Decision:
    Ruling ruling
    uint32_t order
    uint32_t entry_size  # octets of the entry's key; 0 if a network decided
    uint8_t action
    uint8_t tier  # of what decided, NO_TIER if nothing did
    uint8_t tiers_left  # `Verdict.tiers_left`
    bint passing  # whether `Verdict.passing` has any authority
    const uint8_t *entry  # the entry's key in the mapped file, NULL if a network decided
    int64_t until  # seconds since the epoch: when the decision may change, `Verdict.until`

cdef struct Life:
    int64_t begin  # seconds since the epoch
    int64_t end

cdef struct Claims:
    const uint8_t *entry  # their entry's key in the mapped file
    const uint8_t *next  # 32 bits each
    uint32_t size  # octets of the key
    uint32_t left

cdef struct Candidate:  # what one party decides
    uint64_t number  # of the decision that it belongs to, or of the answer
    const uint8_t *entry
    uint32_t order
    uint32_t entry_size
    uint32_t step  # 0 for the longest match, or for the first name of an answer
    Ruling ruling
    uint8_t action
    uint8_t tier
    uint8_t strength
    bint is_lifted

cdef Decision undecided() noexcept nogil


@cython.final
cdef class Table:
    cdef object _octets
    cdef object _states
    cdef object _actions
    cdef object _tiers
    cdef bytes _lives
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
    cdef const Life *lives
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
    cdef bint are_several  # parties: what follows is of no use if not
    cdef bytes _parties
    cdef bytes _lifts
    cdef bytes _lift_places
    cdef const uint16_t *parties  # of each order
    cdef const uint16_t *lifts  # the parties that each order's may lift, one list after the other
    cdef const uint32_t *lift_places  # where each order's begins, and where the last ends
    cdef uint32_t party_count
    cdef Candidate *candidates  # of each party, in the decision that is being made
    cdef Candidate *decided  # of each party, by what an answer leads to so far
    cdef uint16_t *met  # the parties that have a candidate
    cdef uint16_t *met_leading  # the authorities that have decided about what an answer leads to
    cdef uint64_t *passed  # of each party: the number of the answer on which it does not act
    cdef uint32_t met_count
    cdef uint32_t met_leading_count
    cdef uint32_t step
    cdef uint32_t lead
    cdef uint64_t decision_number
    cdef uint64_t answer_number
    cdef const Decision *rule  # what the operator decides unless a claim of an earlier tier does, NULL if nothing
    cdef uint8_t acting  # the tier before which the operator acts on an answer
    cdef bint asks_client
    cdef uint8_t first_tier
    cdef uint32_t ipv4_count
    cdef uint32_t ipv6_count
    cdef uint8_t ipv4_lengths[33]  # of the networks listed, the longest first
    cdef uint8_t ipv6_lengths[129]

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
    cdef Decision _decide_network(self, const uint8_t *packed, uint32_t size, uint8_t kind, const uint8_t *lengths, uint32_t count) noexcept nogil
    cdef Decision decide_address(self, const uint8_t *packed, uint32_t size) noexcept nogil
    cdef void _begin(self) noexcept nogil
    cdef bint _weigh_parties(self, Claims *sets, int count, int scope, Decision *found, uint64_t *closed) noexcept nogil
    cdef void _lift(self) noexcept nogil
    cdef void _settle(self, Decision *found) noexcept nogil
    cdef Decision decide_ruled(self, const uint8_t *key, uint32_t size, const uint16_t *ends, int labels, const Decision *rule) noexcept nogil
    cdef void begin_answer(self, uint8_t tiers) noexcept nogil
    cdef void pass_over(self) noexcept nogil
    cdef Decision decide_lead(self, const uint8_t *octets, uint32_t size, bint is_name, bint *is_last) noexcept nogil
    cdef Decision decide_answer(self) noexcept nogil
    cdef uint32_t epoch(self) noexcept nogil
    cdef int64_t find(self, const uint8_t *key, uint32_t size, uint64_t hashed, const uint8_t **entry) noexcept nogil
