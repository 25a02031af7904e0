from libc.stdint cimport uint8_t, uint16_t, uint32_t

from blockd.resolver._zone_table cimport NativeZoneTable
from blockd.resolver.forwarding.floods cimport Floods
from blockd.resolver.forwarding.native._flights cimport MAX_MEMBERS, Flight, Try
from blockd.resolver.forwarding.native._links cimport Links

cdef struct Group:
    int count
    uint16_t members[MAX_MEMBERS]  # places of upstreams


cdef class Course(Links):
    cdef list group_healths  # of each group's members
    cdef NativeZoneTable zones  # of the groups
    cdef Group *groups
    cdef double timeout
    cdef int attempts
    cdef Floods floods

    cdef int answer_stale(self, Flight *flight, double now) except -1
    cdef int run_due(self, double now) except -1
    cdef int _group_of(self, const uint8_t *key, uint32_t size) noexcept nogil
    cdef bint fails_alone(self, const Flight *flight) except *
    cdef int doubt(self, Flight *flight, double now) except -1
    cdef int end_doubt(self, Flight *flight) except -1
    cdef int count_failure(self, Flight *flight, double now) except -1
    cdef int note_answer(self, Flight *flight, bint fails, double now) except -1
    cdef int go_on(self, Flight *flight, double now) except -1
    cdef bint _ask(self, Flight *flight, int member, bint is_plain, double now) except *
    cdef Try *_new_try(self, Flight *flight, int upstream, int member, bint is_plain) noexcept nogil
    cdef int _wait(self, Flight *flight, double now) except -1
    cdef int _plan(self, Flight *flight, double due) noexcept nogil
    cdef int _strike(self, Flight *flight, double now) noexcept nogil
    cdef int _look_at(self, Flight *flight, double now) except -1
    cdef bint _is_in_flood(self, Flight *flight, double now) except *
    cdef int _doubt_no_more(self, Flight *flight, double now) except -1
    cdef bint _may_ask_another(self, Flight *flight, double now) except *
    cdef int fail(self, Flight *flight, bint is_remembered, double now) except -1
