# The types with which frames.py is compiled.

cimport cython


@cython.final
cdef class ClientFrames:
    cdef object _clock
    cdef bytearray _octets
    cdef Py_ssize_t _at
    cdef bint _is_greeted
    cdef int _block
    cdef int _continuations
    cdef double _left
    cdef double _resets_left
    cdef double _counted
    cdef readonly int resets
    cdef readonly int error

    cpdef feed(self, octets)

    @cython.locals(octets=bytearray, at=Py_ssize_t, have=Py_ssize_t, size=int)
    cpdef bytes next(self)

    cpdef asked(self)
    cpdef answered(self)
    cpdef bint reset(self) except -1

    @cython.locals(cost=int)
    cdef bint _may_come(self, int kind, int size) except -1

    @cython.locals(now=double, since=double)
    cdef _refill(self)
