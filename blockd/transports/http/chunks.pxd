# The types with which chunks.py is compiled.

cimport cython


@cython.final
cdef class Chunks:
    cdef readonly bytearray body
    cdef readonly int refusal
    cdef readonly bint is_whole
    cdef Py_ssize_t _left
    cdef int _chunks
    cdef int _trailers

    @cython.locals(end=Py_ssize_t, line=bytes)
    cpdef take(self, bytearray octets)

    cdef _begin(self, bytes line)
