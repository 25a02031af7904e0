# The types with which http1.py is compiled.

cimport cython

from blockd.transports.http.request cimport HttpRequest


@cython.final
cdef class Http1Session:
    cdef bytes _front_header
    cdef object _clock
    cdef bytearray _octets
    cdef Py_ssize_t _searched
    cdef int _lines_before
    cdef object _head
    cdef object _chunks
    cdef HttpRequest _pending
    cdef object _since
    cdef bint _keeps
    cdef bint _is_fed
    cdef bint _is_leaving
    cdef bytes _out
    cdef readonly bint is_over
    cdef readonly bint is_flooded
    cdef readonly int resets

    cpdef feed(self, octets)

    @cython.locals(request=HttpRequest, is_passed_over=bint)
    cpdef HttpRequest next_request(self)

    @cython.locals(lines=bytes, name=bytes, value=bytes)
    cpdef respond(self, HttpRequest request, int status, fields, bytes body)

    cpdef drop(self, HttpRequest request)
    cpdef leave(self)
    cpdef finish(self, int code=?)
    cpdef bytes take(self, Py_ssize_t most)
    cdef _end(self)

    @cython.locals(octets=bytearray, end=Py_ssize_t)
    cdef _next_head(self)

    @cython.locals(size=Py_ssize_t)
    cdef bint _pass_over(self, head) except -1

    @cython.locals(octets=bytearray, request=HttpRequest)
    cdef bint _take_body(self, head) except -1
