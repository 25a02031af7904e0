from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

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
    uint32_t entry_size  # octets of the entry's key
    uint8_t action
    uint8_t tier  # of what decided, NO_TIER if nothing did
    uint8_t tiers_left  # `Verdict.tiers_left`
    bint passing  # whether `Verdict.passing` has any authority
    const uint8_t *entry  # the entry's key in the mapped file
    int64_t until  # seconds since the epoch: when the decision may change, `Verdict.until`

cdef struct Life:
    int64_t begin  # seconds since the epoch
    int64_t end

cdef struct Candidate:  # what one party decides
    uint64_t number  # of the decision that it belongs to, or of the answer
    const uint8_t *entry
    uint32_t order
    uint32_t entry_size
    uint32_t step  # 0 for the longest match; in an answer 0 for the first name, and one number for all addresses
    Ruling ruling
    uint8_t action
    uint8_t tier
    uint8_t strength
    bint is_lifted

cdef Decision undecided() noexcept nogil


cdef class PartyDecisions:
    cdef const Life *lives  # of each order
    cdef const uint32_t *priorities  # of each order, its feed's place by priority
    cdef bint are_several  # parties: what follows is of no use if not
    cdef bytes _parties
    cdef bytes _lifts
    cdef bytes _lift_places
    cdef const uint16_t *parties  # of each order
    cdef const uint16_t *lifts  # the parties that each order's may lift, one list after the other
    cdef const uint32_t *lift_places  # where each order's begins, and where the last ends
    cdef bytes _feeds
    cdef bytes _lacking
    cdef const uint16_t *feeds  # of each order, its feed's number
    cdef const uint8_t *lacking  # of each group, an octet for each feed: 1 if it does not apply
    cdef const uint8_t *lacks  # that of the group for whose clients decisions are made; NULL if they are in none
    cdef uint32_t feed_count
    cdef uint32_t group_count
    cdef bint is_met  # whether any claim was met since this was set to False
    cdef uint32_t party_count
    cdef Candidate *candidates  # of each party, in the decision that is being made
    cdef Candidate *decided  # of each party, by what an answer leads to so far; the operator's alone if there is one party
    cdef Candidate alone
    cdef uint16_t *met  # the parties that have a candidate
    cdef uint16_t *met_leading  # the authorities that have decided about what an answer leads to
    cdef uint64_t *passed  # of each party: the number of the answer on which it does not act
    cdef uint32_t met_count
    cdef uint32_t met_leading_count
    cdef uint32_t step
    cdef uint64_t decision_number
    cdef uint64_t answer_number
    cdef const Decision *rule  # what the operator decides unless a claim of an earlier tier does, NULL if nothing
    cdef uint8_t acting  # the tier before which the operator acts on an answer
    cdef bint is_full  # whether an authority has decided by a name with the greatest strength
    cdef bint is_named  # whether the operator has decided by a name that the answer leads to

    cdef void see_as(self, uint32_t group) noexcept nogil
    cdef void begin(self) noexcept nogil
    cdef void consider(self, uint32_t order, uint8_t action, uint8_t tier, const uint8_t *entry, uint32_t size) noexcept nogil
    cdef void settle(self, Decision *found) noexcept nogil
    cdef void begin_answer(self, uint8_t tiers) noexcept nogil
    cdef void pass_over(self) noexcept nogil
    cdef bint is_final(self, uint8_t first_tier) noexcept nogil
    cdef uint8_t own_tier(self, const Decision *found) noexcept nogil
    cdef Decision follow(self, Decision found, uint32_t place, bint is_name, uint8_t earliest) noexcept nogil
    cdef Decision _keep_acting(self, Decision found, uint8_t earliest, uint8_t before) noexcept nogil
    cdef void _note(self, uint16_t party, const Candidate *one, uint32_t place, bint is_name) noexcept nogil
    cdef bint is_before(self, const uint8_t *one, uint32_t order, const uint8_t *other, uint32_t other_order) noexcept nogil
    cdef Decision decide_answer(self) noexcept nogil
    cdef void _lift(self) noexcept nogil
