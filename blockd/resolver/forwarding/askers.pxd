# The types with which askers.py is compiled.

cimport cython

from blockd.resolver.moment_table cimport MomentTable

cdef int _ADDRESS
cdef int _NETWORK
cdef int _IPV4_NETWORK
cdef int _IPV6_NETWORK
cdef int _SETS
cdef double _WINDOW
cdef double _CALM
cdef int _DOUBTS
cdef int _AT_ADDRESS
cdef int _AT_NETWORK
cdef int _WITHIN_SHARES


@cython.final
cdef class Askers:
    cdef double _cost
    cdef MomentTable _places
    cdef int[::1] _doubts
    cdef int[::1] _seeming

    @cython.locals(tier=int, place=int, ahead=double)
    cpdef bint is_over(self, bytes domain, bytes asker, double now, bint with_doubts) except *

    @cython.locals(tier=int, place=int)
    cpdef bint is_waiting(self, bytes domain, bytes asker) except *

    @cython.locals(tier=int, place=int, until=double)
    cpdef int note_failure(self, bytes domain, bytes asker, double now) except -1

    @cython.locals(tier=int, place=int)
    cpdef take_back(self, bytes domain, bytes asker, int counted)

    @cython.locals(place=int, ahead=double)
    cpdef int note_doubt(self, bytes domain, bytes asker, double now) except -1

    @cython.locals(tier=int, place=int)
    cpdef end_doubt(self, bytes domain, bytes asker, int counted)

    cdef double _cost_of(self, int tier) noexcept

    @cython.locals(size=int)
    cdef unsigned long long _hashed(self, bytes domain, bytes asker, int tier) except *

    cdef int _find(self, bytes domain, bytes asker, int tier) except -2

    @cython.locals(place=int)
    cdef int _place(self, bytes domain, bytes asker, int tier, double now) except -2
