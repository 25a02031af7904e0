# The types with which request.py is compiled.

cimport cython


@cython.final
cdef class HttpRequest:
    cdef readonly int stream
    cdef public bytes method
    cdef public bytes target
    cdef public bytes content_type
    cdef public bytes front
    cdef public bytes body
    cdef public int refusal
    cdef public bint is_open
    cdef public int cost
    cdef public int fields
    cdef public int kept
    cdef public int flow
    cdef public object since
    cdef public bytes answer
    cdef public Py_ssize_t sent

    cpdef int size(self) except -1
    cpdef let_go(self)
    cpdef take_field(self, bytes name, bytes value, bytes front_header)
