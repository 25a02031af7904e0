# The types with which request_stream.py is compiled.

cimport cython


@cython.final
cdef class RequestStream:
    cdef readonly bytearray _buffer
    cdef Py_ssize_t _searched
    cdef Py_ssize_t _skip
    cdef bint _ended
    cdef public bint is_leaving

    @cython.locals(size="Py_ssize_t")
    cpdef feed(self, octets)

    cpdef bint has_request(self) except -1

    @cython.locals(buffer=bytearray, end="Py_ssize_t", head=bytes)
    cpdef next(self)

    @cython.locals(size="Py_ssize_t", here="Py_ssize_t", fields=dict)
    cdef int _begin_body(self, request) except -1

    cdef _last(self, request)


@cython.locals(lines=list, ends="Py_ssize_t", parts=list, method=bytes, target=bytes, version=bytes, fields=dict,
               line=bytes, name=bytes, value=bytes)
cdef _request_of(bytes head)
