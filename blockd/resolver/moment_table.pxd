# The types with which moment_table.py is compiled.

cimport cython

cdef int _WAYS


@cython.final
cdef class MomentTable:
    cdef readonly int size
    cdef int _sets
    cdef unsigned int[::1] _tags
    cdef double[::1] until
    cdef bint is_new

    @cython.locals(first=int, place=int, tag="unsigned int")
    cdef int find(self, unsigned long long hashed) noexcept nogil

    @cython.locals(found=int, first=int, place=int, calmest=int)
    cdef int place(self, unsigned long long hashed, double now) noexcept nogil
