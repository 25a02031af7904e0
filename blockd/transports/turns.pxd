# The types with which turns.py is compiled.

cimport cython


@cython.final
cdef class TakingTurns:
    cdef object _clock
    cdef readonly object _ends
    cdef double _part_ends
    cdef object _newcomers
    cdef object _others
    cdef int _count
    cdef double _ahead
    cdef readonly bint _scheduled
    cdef bint _served

    cpdef begin(self)
    cpdef bint ask(self, taker) except -1

    @cython.locals(now=double)
    cpdef bint has_time(self) except -1

    cdef _schedule(self)

    @cython.locals(is_others=bint, begun=double, took=double)
    cpdef _serve(self)

    @cython.locals(now=double, part=double)
    cdef bint _work(self, taker) except -1

    cpdef bint _has_part(self) except -1
    cdef _append(self, taker)
