from libc.stdint cimport uint8_t, uint32_t, uint64_t

from blockd.resolver.engine._answering cimport DECLINED, Result
from blockd.resolver.engine._cache cimport Entry, NativeCache
from blockd.resolver.engine._message cimport Question
from blockd.resolver.engine._outbox cimport Peer
from blockd.resolver.engine._telling cimport Telling
from blockd.resolver.forwarding.native._flights cimport Flight, Flights
from blockd.resolver.forwarding.native._forwarding cimport Forwarding

cdef class Asking


cdef class EngineForwarding(Forwarding):
    cdef Asking engine


cdef class Asking(Telling):
    cdef object _clock
    cdef public double stale_after  # seconds for which a client waits before it gets what has expired
    cdef public double turn_budget  # seconds that one turn of the event loop may take before the rest is for the next one
    cdef list leaving  # what asked before, whose flights are to be asked anew
    cdef int unread  # messages of clients that were taken from the kernel, and are for the next turn

    cdef int _begin_turn(self, bint is_first) except -1
    cdef int _end_turn(self) except -1
    cdef int _begin_others(self) except -1
    cdef int _end_others(self) except -1
    cdef int _work_off(self) except -1
    cdef int _carry_one(self, Flights flights, Flight *flight, double now) except -1
    cdef int _go_on(self, double now) except -1
    cdef Result _ask(self, const Question *q, uint64_t hashed, const uint8_t *packet, uint32_t size, const Peer *peer, int descriptor, uint64_t number, uint32_t *written, double now, double moment) except? DECLINED
    cdef bint _can_wait(self, uint32_t size) noexcept nogil
    cdef int _carry_over(self, double now) except -1
    cdef bint _part_from(self, Flight *flight, uint64_t number) noexcept nogil
    cdef int _give_stale(self, Flight *flight, double now) except -1
    cdef int _land(self, Flight *flight, Entry *entry, uint32_t lifetime, const uint8_t *message, uint32_t size, double now) except -1
    cdef int _fail(self, Flights flights, Flight *flight, double now) except -1
    cdef void _refresh(self, Entry *entry, double now) noexcept nogil
    cdef int _ask_anew(self, Entry *entry, double now) except -1
