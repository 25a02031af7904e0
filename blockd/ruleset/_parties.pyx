# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""The decision between the parties of a ruleset: the twin of `precedence.py` and `leading.py`.

A table is one, and knows which claims a name meets. Numbers of decisions and of answers tell what is of an earlier one,
so that nothing has to be cleared.
"""

import itertools
import struct

from cpython.mem cimport PyMem_RawCalloc, PyMem_RawFree
from libc.string cimport memset

from blockd.orders import Action
from blockd.ruleset.precedence import STRENGTHS as _STRENGTHS

from blockd.orders._numbers cimport ACTION_ALLOW, ACTION_MONITOR, ACTION_PASSTHRU, NEVER, NO_TIER
from blockd.ruleset._numbers cimport FULL, NONE, OPERATOR

# The strength of each action against other parties' decisions, by the action's place in `Action`.
cdef uint8_t STRENGTHS[256]
for _place, _action in enumerate(Action):
    STRENGTHS[_place] = _STRENGTHS[_action]


cdef class PartyDecisions:
    """What each party decides about a name, if `are_several`; single-threaded, as a worker is."""

    def __dealloc__(self):
        PyMem_RawFree(self.candidates)
        PyMem_RawFree(self.decided)
        PyMem_RawFree(self.met)
        PyMem_RawFree(self.met_leading)
        PyMem_RawFree(self.passed)

    def take_parties(self, bytes parties, lifts, uint32_t orders):
        """Take the number of each order's party, 16 bits each, and for each order whose orders its party may lift."""
        if len(parties) != orders * 2 or len(lifts) != orders:
            raise ValueError("each order has a party, and may lift those of others")
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
        self.decided = <Candidate *>PyMem_RawCalloc(self.party_count, sizeof(Candidate))
        self.met = <uint16_t *>PyMem_RawCalloc(self.party_count, sizeof(uint16_t))
        self.met_leading = <uint16_t *>PyMem_RawCalloc(self.party_count, sizeof(uint16_t))
        self.passed = <uint64_t *>PyMem_RawCalloc(self.party_count, sizeof(uint64_t))
        if not (self.candidates and self.decided and self.met and self.met_leading and self.passed):
            raise MemoryError
        self.are_several = True

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
        """Take a claim in force into account, longer matches and better ranks before others, as `policy._beats` does."""
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
        self.met_leading_count = self.lead = 0
        self.acting = tiers

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

    cdef Decision follow(self, Decision found, bint is_name, bint *is_last) noexcept nogil:
        """Limit a decision about a name or an address that an answer leads to to those who still act, as `leading` does.

        `decide_answer` then says what stops the answer; `is_last` is set to whether none that follow can change that.
        """
        cdef Candidate *one
        cdef uint32_t i, kept = 0
        cdef uint16_t party
        cdef int64_t until
        is_last[0] = False
        self.lead += 1
        if found.ruling == RULED_BROKEN or self.met_count == 0 or found.tiers_left == 0:
            return found  # nobody decides, or the operator above all
        for i in range(self.met_count):
            party = self.met[i]
            one = &self.candidates[party]
            one.is_lifted = False
            if (
                (party == OPERATOR and one.ruling != RULED_MONITORED and one.tier >= self.acting)
                or self.passed[party] == self.answer_number
            ):
                one.number = 0
                continue
            if not is_name:
                one.entry, one.entry_size = NULL, 0
            self.met[kept] = party
            kept += 1
        self.met_count = kept
        until = found.until
        found = undecided()
        self.settle(&found)
        found.until = until
        for i in range(self.met_count):
            party = self.met[i]
            one = &self.candidates[party]
            if one.ruling == RULED_PASSED:
                self.acting = one.tier
                self.decided[party].number = 0
            if one.strength == NONE or one.is_lifted:
                continue
            self.decided[party] = one[0]
            self.decided[party].number, self.decided[party].step = self.answer_number, self.lead
            if party == OPERATOR:
                self.acting = 0 if is_name else one.tier
            else:
                self.passed[party] = self.answer_number
                self.met_leading[self.met_leading_count] = party
                self.met_leading_count += 1
            if is_name and one.strength == FULL:
                is_last[0] = True
        return found

    cdef Decision decide_answer(self) noexcept nogil:
        """Return what stops the answer, by what the parties have decided about all that it leads to."""
        cdef Candidate *one
        cdef Candidate *best = NULL
        cdef uint32_t i
        cdef Decision found = undecided()
        if self.decided[OPERATOR].number == self.answer_number:
            best = &self.decided[OPERATOR]
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
