from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

from blockd.resolver.engine._answering cimport Answering
from blockd.resolver.engine._cache cimport Entry
from blockd.resolver.forwarding._failures cimport MAX_SAID, Failure, Failures
from blockd.resolver.forwarding._flights cimport MAX_UPSTREAMS, Flight, Try
from blockd.resolver.forwarding._links cimport Links

cdef enum Asked:
    ASKED_FLYING = 0  # `found` is the flight
    ASKED_FAILED = 1  # `said` is what the answer says
    ASKED_FULL = 2

cdef struct Group:
    const uint8_t *key  # of the zone
    uint32_t key_size
    int count
    uint8_t members[MAX_UPSTREAMS]  # places of upstreams


cdef class Forwarding(Links):
    cdef Answering counting
    cdef readonly Failures failures
    cdef list group_healths  # of each group's members
    cdef list _zones
    cdef object _clock
    cdef Group *groups
    cdef int group_count
    cdef double timeout
    cdef int attempts
    cdef Flight *found
    cdef uint8_t said[MAX_SAID]
    cdef uint32_t said_size
    cdef bint is_said  # by an upstream, with SERVFAIL

    cdef double moment(self) except? -1
    cdef Asked ask(self, uint64_t hashed, const uint8_t *key, uint32_t size, uint16_t qtype, bint do_, bint cd, double now) except *
    cdef int settle(self, Flight *flight, Entry *entry, uint32_t lifetime, const uint8_t *message, uint32_t size, double now) except -1
    cdef int settle_failed(self, Flight *flight, double now) except -1
    cdef int answer_stale(self, Flight *flight, double now) except -1
    cdef int probe_answered(self, int upstream, double now, double seconds, bint resolves) except -1
    cdef int probe_failed(self, int upstream, double now) except -1
    cdef int run_due(self, double now) except -1
    cdef int _group_of(self, const uint8_t *key, uint32_t size) noexcept nogil
    cdef bint _is_down(self, int group, double now) except *
    cdef bint _remembered(self, uint64_t hashed, const uint8_t *key, uint32_t size, uint16_t qtype, bint do_, bint cd) except *
    cdef bint _is_over(self, const Failure *failure) except *
    cdef int _go_on(self, Flight *flight, double now) except -1
    cdef bint _ask(self, Flight *flight, int member, bint is_plain, double now) except *
    cdef Try *_new_try(self, Flight *flight, int upstream, int member, bint is_plain) noexcept nogil
    cdef int _wait(self, Flight *flight, double now) except -1
    cdef int _plan(self, Flight *flight, double due) noexcept nogil
    cdef int _strike(self, Flight *flight, double now) noexcept nogil
    cdef int _look_at(self, Flight *flight, double now) except -1
    cdef bint _may_ask_another(self, Flight *flight, double now) except *
    cdef Entry *_parsed(self, Flight *flight, const uint8_t *message, uint32_t size, uint32_t *lifetime) noexcept nogil
    cdef int _note_malformed(self, Try *one, const uint8_t *message, uint32_t size) except -1
    cdef int _take_error(self, Try *one, int rcode, Entry *entry, bint is_alone, double now) except -1
    cdef int _answered_probe(self, Try *one, const uint8_t *message, uint32_t size, bint is_alone, double now) except -1
    cdef bint _send_probe(self, int upstream, const uint8_t *key, uint32_t size, uint16_t qtype, bint is_plain, double now) except *
    cdef int _resolve(self, Flight *flight, Entry *entry, uint32_t lifetime, const uint8_t *message, uint32_t size, double now) except -1
    cdef int _fail(self, Flight *flight, bint is_remembered, double now) except -1
    cdef int _remember(self, Flight *flight, int kind, double now) except -1
    cdef int _end(self, Flight *flight, double now) except -1
