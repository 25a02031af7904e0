from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

from blockd.resolver.engine._answering cimport Answering
from blockd.resolver.engine._cache cimport Entry
from blockd.resolver.forwarding._chance cimport Chance
from blockd.resolver.forwarding._failures cimport MAX_SAID, Failures
from blockd.resolver.forwarding._flights cimport MAX_UPSTREAMS, Flight, Flights, Try
from blockd.resolver.forwarding._ports cimport Ports
from blockd.resolver.forwarding._replies cimport Extras
from blockd.resolver.forwarding._wording cimport Remote

cdef enum:
    BUFFER = 65536

cdef enum Asked:
    ASKED_FLYING = 0  # `found` is the flight
    ASKED_FAILED = 1  # `said` is what the answer says
    ASKED_FULL = 2

cdef struct Group:
    const uint8_t *key  # of the zone
    uint32_t key_size
    int count
    uint8_t members[MAX_UPSTREAMS]  # places of upstreams


cdef class Forwarding:
    cdef Answering counting
    cdef readonly Ports ports
    cdef readonly Flights flights
    cdef readonly Failures failures
    cdef readonly int epoll
    cdef int timer
    cdef bint is_fast  # the timer
    cdef double busy  # when something was in flight last
    cdef double next_renewal
    cdef list healths  # of the upstreams
    cdef list group_healths  # of each group's members
    cdef list _texts
    cdef list _zones
    cdef object _clock
    cdef object _ask_stream_of
    cdef Remote remotes[MAX_UPSTREAMS]
    cdef int remote_count
    cdef Group *groups
    cdef int group_count
    cdef double timeout
    cdef int attempts
    cdef bint mixed_case
    cdef Flight *found
    cdef uint8_t said[MAX_SAID]
    cdef uint32_t said_size
    cdef bint is_said  # by an upstream, with SERVFAIL
    cdef uint8_t buffer[BUFFER]

    cdef double moment(self) except? -1
    cdef Asked ask(self, uint64_t hashed, const uint8_t *key, uint32_t size, uint16_t qtype, bint do_, bint cd, double now) except *
    cdef int drain(self, double now) except -1
    cdef int give_up_refused(self, double now) except -1
    cdef int settle(self, Flight *flight, Entry *entry, uint32_t lifetime, const uint8_t *message, uint32_t size, double now) except -1
    cdef int settle_failed(self, Flight *flight, double now) except -1
    cdef int answer_stale(self, Flight *flight, double now) except -1
    cdef int note_probe(self, int upstream, double seconds, bint resolves, double now) except -1
    cdef int note_probe_failed(self, int upstream, double now) except -1
    cdef int _group_of(self, const uint8_t *key, uint32_t size) noexcept nogil
    cdef bint _remembered(self, uint64_t hashed, const uint8_t *key, uint32_t size, uint16_t qtype, bint do_, bint cd) except *
    cdef bint _is_heard_since(self, int group, double moment) except *
    cdef bint _send(self, Flight *flight, int member, double now) except *
    cdef bint _send_to(self, Flight *flight, int upstream, int member, bint is_bare, double now) except *
    cdef bint _send_next(self, Flight *flight, double now) except *
    cdef bint _send_datagram(self, Try *one) noexcept nogil
    cdef bint _send_on_stream(self, Try *one) except *
    cdef uint32_t _write(self, const Try *one, uint8_t *message) noexcept nogil
    cdef int _read(self, int place, const uint8_t *message, uint32_t size, double now) except -1
    cdef int _doubt(self, Try *one, bint is_about_case, double now) except -1
    cdef int _land(self, Try *one, const uint8_t *message, uint32_t size, bint is_alone, double now) except -1
    cdef int _land_probe(self, Try *one, const uint8_t *message, double now) except -1
    cdef int _note_why(self, Try *one, const uint8_t *message, uint32_t size) except -1
    cdef int _note_servfail(self, Flight *flight, const Extras *extras) except -1
    cdef int _resolve(self, Flight *flight, Entry *entry, uint32_t lifetime, const uint8_t *message, uint32_t size, double now) except -1
    cdef int _give_up(self, int place, int said, int error, int kind, double now) except -1
    cdef int _give_up_try(self, Try *one, int said, int error, int kind, double now) except -1
    cdef int _run_due(self, double now) except -1
    cdef int _go_on(self, Flight *flight, double now) except -1
    cdef bint _try_next(self, Flight *flight, double now) except *
    cdef int _plan(self, Flight *flight) except -1
    cdef int _end(self, Flight *flight, double now) except -1
    cdef bint _explain(self, Flight *flight, bint *is_nobody, double now) except *
    cdef int _fail(self, Flight *flight, bint is_remembered, double now) except -1
    cdef int _tick(self, double now) except -1
    cdef void _hurry(self) noexcept nogil
