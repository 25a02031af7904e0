# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""The memory of questions that failed (RFC 9520), with what their answer says about it."""

from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcmp, memcpy

from blockd.resolver._ages cimport make_newest, put_newest, take_out
from blockd.resolver._numbers cimport MAX_FAILURES


cdef class Failures:
    """The failures that one worker remembers, by question; at most MAX_FAILURES, the least recently used goes first."""

    def __dealloc__(self):
        while self.ages.newest != NULL:
            self.forget(<Failure *>self.ages.newest)

    def __len__(self):
        return self.count

    cdef Failure *find(
        self, uint64_t hashed, const uint8_t *key, uint32_t size, uint16_t qtype, bint do_, bint cd
    ) noexcept nogil:
        """Return what is remembered of a question, also if its time has passed; NULL if nothing is."""
        cdef Failure *failure = self.places[hashed & (FAILURE_PLACES - 1)]
        while failure != NULL:
            if (
                failure.hash == hashed and failure.qtype == qtype and failure.do_ == do_ and failure.cd == cd
                and failure.key_size == size and memcmp(failure.key, key, size) == 0
            ):
                make_newest(&self.ages, &failure.age)
                return failure
            failure = failure.chain
        return NULL

    cdef void keep(
        self, uint64_t hashed, const uint8_t *key, uint32_t size, uint16_t qtype, bint do_, bint cd, int group,
        int about, bint is_said, const uint8_t *errors, uint32_t errors_size, double since, double until,
        double kept,
    ) noexcept nogil:
        """Remember a failure for `kept` seconds, until a moment of the cache's clock, in place of an earlier one of the same question."""
        cdef Failure *failure = self.find(hashed, key, size, qtype, do_, cd)
        if failure != NULL:
            self.forget(failure)
        elif self.count >= MAX_FAILURES:
            self.forget(<Failure *>self.ages.oldest)
        failure = <Failure *>malloc(sizeof(Failure) + size + errors_size)
        if failure == NULL:
            return
        failure.hash, failure.qtype, failure.do_, failure.cd = hashed, qtype, do_, cd
        failure.since, failure.until, failure.kept = since, until, kept
        failure.group, failure.about, failure.is_said = group, about, is_said
        failure.key_size, failure.errors_size = size, errors_size
        memcpy(failure.key, key, size)
        failure.errors = failure.key + size
        memcpy(failure.errors, errors, errors_size)
        failure.chain = self.places[hashed & (FAILURE_PLACES - 1)]
        self.places[hashed & (FAILURE_PLACES - 1)] = failure
        put_newest(&self.ages, &failure.age)
        self.count += 1

    cdef void forget(self, Failure *failure) noexcept nogil:
        """Remove and free a failure."""
        cdef Failure **place = &self.places[failure.hash & (FAILURE_PLACES - 1)]
        while place[0] != failure:
            place = &place[0].chain
        place[0] = failure.chain
        take_out(&self.ages, &failure.age)
        self.count -= 1
        free(failure)
