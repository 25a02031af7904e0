# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""The decision between the parties of a ruleset, longer than others may be: twin of `precedence.py` and `leading.py`.

A table is one, and knows which claims a name meets. Numbers of decisions and of answers tell what is of an earlier one,
so that nothing has to be cleared.
"""

import itertools
import struct

from cpython.mem cimport PyMem_RawCalloc, PyMem_RawFree
from libc.string cimport memcmp, memset

from blockd.orders import Action
from blockd.ruleset.precedence import STRENGTHS as _STRENGTHS

from blockd.names._numbers cimport KEY_IPV4, MAPPED_BITS
from blockd.names._translation cimport as_ipv6
from blockd.orders._numbers cimport ACTION_ALLOW, ACTION_MONITOR, ACTION_PASSTHRU, NEVER, NO_TIER
from blockd.ruleset._numbers cimport FULL, NONE, OPERATOR

# The strength of each action against other parties' decisions, by the action's place in `Action`. One that is not known
# here never loses to a weaker one: who asks learns of it, and leaves it to who knows it.
cdef uint8_t STRENGTHS[256]
memset(STRENGTHS, FULL, sizeof(STRENGTHS))
for _place, _action in enumerate(Action):
    STRENGTHS[_place] = _STRENGTHS[_action]


cdef class PartyDecisions:
    """What each party decides about a name, if `are_several`; single-threaded, as a worker is."""

    def __cinit__(self):
        self.decided = &self.alone

    def __dealloc__(self):
        PyMem_RawFree(self.candidates)
        if self.decided != &self.alone:
            PyMem_RawFree(self.decided)
        PyMem_RawFree(self.met)
        PyMem_RawFree(self.met_leading)
        PyMem_RawFree(self.passed)

    def take_parties(self, bytes parties, lifts, uint32_t orders):
        """Take the number of each order's party, 16 bits each, and for each order whose orders its party may lift."""
        if len(parties) != orders * 2 or len(lifts) != orders:
            raise ValueError("each order has a party, and may lift those of others")
        cdef Candidate *decided
        known = memoryview(parties).cast("H")
        self.party_count = max(known, default=0) + 1
        if any(party >= self.party_count for others in set(lifts) for party in others):
            raise ValueError("a party that may be lifted has orders")
        places = [0, *itertools.accumulate(map(len, lifts))]
        self._parties = parties
        self._lifts = struct.pack(f"={sum(map(len, lifts))}H", *(party for others in lifts for party in others))
        self._lift_places = struct.pack(f"={len(places)}I", *places)
        self.parties = <const uint16_t *><const char *>self._parties
        self.lifts = <const uint16_t *><const char *>self._lifts
        self.lift_places = <const uint32_t *><const char *>self._lift_places
        self.candidates = <Candidate *>PyMem_RawCalloc(self.party_count, sizeof(Candidate))
        decided = <Candidate *>PyMem_RawCalloc(self.party_count, sizeof(Candidate))
        self.met = <uint16_t *>PyMem_RawCalloc(self.party_count, sizeof(uint16_t))
        self.met_leading = <uint16_t *>PyMem_RawCalloc(self.party_count, sizeof(uint16_t))
        self.passed = <uint64_t *>PyMem_RawCalloc(self.party_count, sizeof(uint64_t))
        if decided != NULL:
            self.decided = decided
        if not (self.candidates and decided and self.met and self.met_leading and self.passed):
            raise MemoryError
        self.are_several = True

    def take_feeds(self, bytes feeds, bytes lacking, uint32_t groups, uint32_t orders):
        """Take the number of each order's feed, 16 bits each, and of each group an octet per feed: 1 if it lacks it."""
        count = len(lacking) // groups if groups else 0
        if groups and (len(feeds) != orders * 2 or max(memoryview(feeds).cast("H"), default=0) >= count):
            raise ValueError("each order has a feed, which each group is subject to or lacks")
        self._feeds, self._lacking, self.group_count, self.feed_count = feeds, lacking, groups, count
        self.feeds, self.lacking = <const uint16_t *><const char *>feeds, <const uint8_t *><const char *>lacking

    cdef void see_as(self, uint32_t group) noexcept nogil:
        """Decide for the clients of a group, by its number, from now on; 0 stands for those in none."""
        self.lacks = self.lacking + (group - 1) * self.feed_count if 0 < group <= self.group_count else NULL

    cdef void begin(self) noexcept nogil:
        """Begin a decision between parties."""
        cdef Candidate *own
        self.decision_number += 1
        self.met_count = self.step = 0
        if self.rule != NULL:
            own = &self.candidates[OPERATOR]
            own.number, own.order, own.step, own.is_lifted = self.decision_number, self.rule.order, 0, False
            own.entry, own.entry_size = self.rule.entry, self.rule.entry_size
            own.ruling, own.action, own.tier = self.rule.ruling, self.rule.action, self.rule.tier
            own.strength = STRENGTHS[own.action]
            self.met[0] = OPERATOR
            self.met_count = 1

    cdef void consider(
        self, uint32_t order, uint8_t action, uint8_t tier, const uint8_t *entry, uint32_t size
    ) noexcept nogil:
        """Take a claim in force into account, longer matches and better ranks before others, as `beats` does."""
        cdef uint16_t party = self.parties[order]
        cdef Candidate *known
        known = &self.candidates[party]
        if known.number != self.decision_number:
            self.met[self.met_count] = party
            self.met_count += 1
            known.number = self.decision_number
        elif action == ACTION_MONITOR:
            return
        elif known.ruling != RULED_MONITORED:
            if party == OPERATOR:
                if tier >= known.tier:
                    return
            elif action != ACTION_ALLOW or known.ruling == RULED_ALLOWED:
                return
        known.order, known.entry, known.entry_size, known.step = order, entry, size, self.step
        known.action, known.tier, known.strength, known.is_lifted = action, tier, STRENGTHS[action], False
        known.ruling = RULED_LISTED
        if action == ACTION_ALLOW:
            known.ruling, known.tier = RULED_ALLOWED, NO_TIER
        elif action == ACTION_MONITOR:
            known.ruling, known.tier = RULED_MONITORED, NO_TIER
        elif action == ACTION_PASSTHRU:
            known.ruling = RULED_PASSED

    cdef void _lift(self) noexcept nogil:
        """Mark the candidates that are lifted, as `precedence.settle` does."""
        cdef Candidate *one
        cdef Candidate *other
        cdef uint32_t i, at
        cdef int strength
        for strength in range(NONE, FULL):
            for i in range(self.met_count):
                one = &self.candidates[self.met[i]]
                if one.strength != strength or one.ruling == RULED_MONITORED or one.is_lifted:
                    continue
                for at in range(self.lift_places[one.order], self.lift_places[one.order + 1]):
                    other = &self.candidates[self.lifts[at]]
                    if other.number == self.decision_number and other.strength > strength:
                        if strength == NONE or one.step <= other.step:
                            other.is_lifted = True

    cdef void settle(self, Decision *found) noexcept nogil:
        """Decide between the parties that have candidates."""
        cdef Candidate *one
        cdef Candidate *best = NULL
        cdef Candidate *own = NULL
        cdef uint32_t i
        if self.met_count == 0:
            return
        self._lift()
        for i in range(self.met_count):
            one = &self.candidates[self.met[i]]
            if one.ruling != RULED_MONITORED and self.lives[one.order].end < found.until:
                found.until = self.lives[one.order].end
            if self.met[i] == OPERATOR:
                own = one
            if one.is_lifted:
                continue
            if one.ruling == RULED_ALLOWED or (
                one.ruling == RULED_PASSED and self.lift_places[one.order] < self.lift_places[one.order + 1]
            ):
                found.passing = True
            if best == NULL or _is_better(one, best):
                best = one
        _take(found, best)
        if own != NULL and (own.ruling == RULED_PASSED or (own.ruling == RULED_LISTED and own.tier & 1)):
            found.tiers_left = own.tier

    cdef void begin_answer(self, uint8_t tiers) noexcept nogil:
        """Begin to decide about what an answer leads to, by the operator's tiers before `tiers` and all authorities."""
        self.answer_number += 1
        self.met_leading_count = 0
        self.acting, self.is_named, self.is_full = tiers, False, False

    cdef void pass_over(self) noexcept nogil:
        """Keep those from acting on the answer that the last decision, about its question, keeps from it."""
        cdef Candidate *one
        cdef uint32_t i, at
        for i in range(self.met_count):
            one = &self.candidates[self.met[i]]
            if one.is_lifted or (one.ruling != RULED_ALLOWED and one.ruling != RULED_PASSED):
                continue
            if self.met[i] != OPERATOR:
                self.passed[self.met[i]] = self.answer_number
            for at in range(self.lift_places[one.order], self.lift_places[one.order + 1]):
                self.passed[self.lifts[at]] = self.answer_number

    cdef bint is_final(self, uint8_t first_tier) noexcept nogil:
        """Return whether no further name or address changes what stops the answer, as `leading` says."""
        cdef const Candidate *own = &self.decided[OPERATOR]
        if not self.is_named:
            return self.is_full
        if not self.are_several:
            return own.tier == first_tier
        return own.tier == first_tier if own.strength == FULL else self.is_full

    cdef uint8_t own_tier(self, const Decision *found) noexcept nogil:
        """Return the tier by which the operator acts on an answer by what was decided last; NO_TIER if it does not."""
        cdef Candidate *own
        cdef uint8_t tier = NO_TIER
        if self.are_several:
            own = &self.candidates[OPERATOR]
            if found.ruling != RULED_ALLOWED and own.number == self.decision_number and own.ruling != RULED_MONITORED:
                tier = own.tier
        elif found.ruling == RULED_LISTED or found.ruling == RULED_PASSED:
            tier = found.tier
        return tier if tier < self.acting else NO_TIER

    cdef Decision follow(self, Decision found, uint32_t place, bint is_name, uint8_t earliest) noexcept nogil:
        """Note what each party decides by a name or an address that an answer leads to, as `leading` does.

        `found` is the decision about it, which is returned limited to those who act: of the operator's tiers that is
        `earliest` for an address. `place` counts names, and is one number for all addresses.
        """
        cdef Candidate one
        cdef uint32_t i
        cdef uint8_t before = earliest + 1 if earliest < NO_TIER else 0
        if is_name:
            earliest, before = 0, 0 if self.is_named else self.acting
        found = self._keep_acting(found, earliest, before)
        if self.are_several:
            for i in range(self.met_count):
                self._note(self.met[i], &self.candidates[self.met[i]], place, is_name)
        elif found.ruling == RULED_LISTED or found.ruling == RULED_PASSED:
            one.order, one.action, one.tier, one.ruling = found.order, found.action, found.tier, found.ruling
            one.entry, one.entry_size = found.entry, found.entry_size
            one.strength, one.is_lifted = STRENGTHS[found.action], False
            self._note(OPERATOR, &one, place, is_name)
        return found

    cdef Decision _keep_acting(self, Decision found, uint8_t earliest, uint8_t before) noexcept nogil:
        """Return a decision without the parties that do not act, the operator by its tiers from `earliest` on."""
        cdef Candidate *one
        cdef uint32_t i, kept = 0
        cdef uint16_t party
        cdef int64_t until = found.until
        if not self.are_several:
            if (found.ruling == RULED_LISTED or found.ruling == RULED_PASSED) and not earliest <= found.tier < before:
                found = undecided()
                found.until = until
            return found
        if found.ruling == RULED_ALLOWED and found.tiers_left == 0:  # by the operator, above all
            self.met_count = 0
        for i in range(self.met_count):
            party = self.met[i]
            one = &self.candidates[party]
            one.is_lifted = False
            if (
                (party == OPERATOR and one.ruling != RULED_MONITORED and not earliest <= one.tier < before)
                or self.passed[party] == self.answer_number
            ):
                one.number = 0
                continue
            self.met[kept] = party
            kept += 1
        if self.met_count == 0:
            return found
        self.met_count = kept
        found = undecided()
        self.settle(&found)
        found.until = until
        return found

    cdef void _note(self, uint16_t party, const Candidate *one, uint32_t place, bint is_name) noexcept nogil:
        """Note what a party decides by a name or an address, unless what it has decided stands before that."""
        cdef Candidate *known = &self.decided[party]
        cdef bint is_known = known.number == self.answer_number
        if one.strength == NONE and (party != OPERATOR or one.ruling != RULED_PASSED):
            return
        if one.is_lifted:
            return
        if is_name:
            if party == OPERATOR:
                self.acting = one.tier
                if one.strength == NONE:
                    return
                self.is_named = True
            else:
                self.passed[party] = self.answer_number
                self.is_full = self.is_full or one.strength == FULL
        elif is_known and known.step == place and not self.is_before(one.entry, one.order, known.entry, known.order):
            return
        if party != OPERATOR and not is_known:
            self.met_leading[self.met_leading_count] = party
            self.met_leading_count += 1
        known[0] = one[0]
        known.number, known.step = self.answer_number, place

    cdef bint is_before(
        self, const uint8_t *one, uint32_t order, const uint8_t *other, uint32_t other_order
    ) noexcept nogil:
        """Return whether one network decides before another, given their keys and orders, as `leading` says."""
        cdef uint8_t address[16]
        cdef uint8_t other_address[16]
        cdef int bits = one[1] + (MAPPED_BITS if one[0] == KEY_IPV4 else 0)
        cdef int other_bits = other[1] + (MAPPED_BITS if other[0] == KEY_IPV4 else 0)
        cdef int difference
        if bits != other_bits:
            return bits > other_bits
        if self.priorities[order] != self.priorities[other_order]:
            return self.priorities[order] < self.priorities[other_order]
        as_ipv6(one + 2, 4 if one[0] == KEY_IPV4 else 16, address)
        as_ipv6(other + 2, 4 if other[0] == KEY_IPV4 else 16, other_address)
        difference = memcmp(address, other_address, 16)
        if difference != 0:
            return difference < 0
        return order < other_order or (order == other_order and one[0] < other[0])

    cdef Decision decide_answer(self) noexcept nogil:
        """Return what stops the answer, by what the parties have decided about all that it leads to."""
        cdef Candidate *one
        cdef Candidate *best = NULL
        cdef uint32_t i
        cdef Decision found = undecided()
        one = &self.decided[OPERATOR]
        if one.number == self.answer_number and one.strength != NONE:
            best = one
        for i in range(self.met_leading_count):
            one = &self.decided[self.met_leading[i]]
            if (
                best == NULL or one.strength > best.strength
                or (one.strength == best.strength and one.step < best.step)
                or (one.step == best.step and _is_better(one, best))
            ):
                best = one
        if best != NULL:
            _take(&found, best)
        return found


cdef inline bint _is_better(const Candidate *one, const Candidate *other) noexcept nogil:
    """Return whether a party's decision stands over another's."""
    return one.strength > other.strength or (one.strength == other.strength and one.order < other.order)


cdef inline void _take(Decision *found, const Candidate *one) noexcept nogil:
    found.ruling, found.order, found.action, found.tier = one.ruling, one.order, one.action, one.tier
    found.entry, found.entry_size = one.entry, one.entry_size


cdef Decision undecided() noexcept nogil:
    """Return the initial decision: nothing found."""
    cdef Decision nothing
    memset(&nothing, 0, sizeof(nothing))
    nothing.tier = nothing.tiers_left = NO_TIER
    nothing.until = NEVER
    return nothing
