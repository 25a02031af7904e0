from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

from blockd.resolver.engine._answering cimport Answering
from blockd.resolver.engine._cache cimport Entry
from blockd.resolver.engine._options cimport Errors
from blockd.resolver.engine._reading cimport Reading
from blockd.resolver.forwarding.native._course cimport Course
from blockd.resolver.forwarding.native._failures cimport MAX_SAID, Failure, Failures
from blockd.resolver.forwarding.native._flights cimport Asker, Flight, Try

cdef enum Asked:
    ASKED_FLYING = 0  # `found` is the flight
    ASKED_FAILED = 1  # `said` is what the answer says
    ASKED_FULL = 2

cdef class Forwarding(Course):
    cdef Answering counting
    cdef readonly Failures failures
    cdef object _clock
    cdef Flight *found
    cdef uint8_t said[MAX_SAID]
    cdef uint32_t said_size
    cdef bint is_said  # by an upstream, with SERVFAIL

    cdef void _took(self, double seconds) noexcept nogil
    cdef list _found(self, bytes name, bint below, int first)
    cdef double moment(self) except? -1
    cdef Asked ask(self, uint64_t hashed, const uint8_t *key, uint32_t size, uint16_t qtype, bint do_, bint cd, const Asker *asker, double now) except *
    cdef int settle(self, Flight *flight, Entry *entry, uint32_t lifetime, const uint8_t *message, uint32_t size, double now) except -1
    cdef int settle_failed(self, Flight *flight, double now) except -1
    cdef int probe_answered(self, int upstream, double now, double seconds, bint resolves) except -1
    cdef int probe_failed(self, int upstream, double now) except -1
    cdef bint _is_down(self, int group, double now) except *
    cdef bint _is_flooded(self, const uint8_t *key, uint32_t size, const Asker *asker, double now) except *
    cdef bint _remembered(self, uint64_t hashed, const uint8_t *key, uint32_t size, uint16_t qtype, bint do_, bint cd) except *
    cdef bint _is_over(self, const Failure *failure) except *
    cdef Entry *_read(self, Flight *flight, const uint8_t *message, uint32_t size, Reading *reading) noexcept nogil
    cdef int _take_error(self, Try *one, int rcode, const Errors *errors, bint is_alone, double now) except -1
    cdef int _answered_probe(self, Try *one, const uint8_t *message, uint32_t size, bint is_alone, double now) except -1
    cdef bint _send_probe(self, int upstream, const uint8_t *key, uint32_t size, uint16_t qtype, bint is_plain, double now) except *
    cdef int _resolve(self, Flight *flight, Entry *entry, uint32_t lifetime, const uint8_t *message, uint32_t size, double now) except -1
    cdef int _remember(self, Flight *flight, int kind, double now) except -1
    cdef int _end(self, Flight *flight, double now) except -1
