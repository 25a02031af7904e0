# The types with which deadlines.py is compiled.

cimport cython


@cython.final
cdef class Deadlines:
    cdef object _clock
    cdef object _loop
    cdef readonly dict _groups
    cdef readonly object _next

    @cython.locals(due="long long", known="long long", group=set)
    cpdef keep(self, mortal, double deadline)

    @cython.locals(due="long long", group=set)
    cpdef forget(self, mortal)
