# The types with which frames.py is compiled.

cimport cython


@cython.final
cdef class ClientFrames:
    cdef object _clock
    cdef bytearray octets
    cdef Py_ssize_t at
    cdef bint is_greeted
    cdef int _block
    cdef int _continuations
    cdef double _left
    cdef double _resets_left
    cdef double _counted
    cdef readonly int resets
    cdef readonly int error

    cpdef feed(self, octets)

    @cython.locals(size=Py_ssize_t)
    cpdef bytes next(self)

    @cython.locals(octets=bytearray, at=Py_ssize_t, have=Py_ssize_t, size=Py_ssize_t)
    cdef Py_ssize_t advance(self) except -1

    @cython.locals(size=Py_ssize_t)
    cdef Py_ssize_t _take_preface(self) except -1

    cpdef asked(self)
    cpdef answered(self)
    cpdef bint reset(self) except -1

    @cython.locals(cost=int)
    cdef bint _may_come(self, int kind, int size) except -1

    @cython.locals(now=double, since=double)
    cdef _refill(self)
