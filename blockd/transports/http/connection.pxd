# The types with which connection.py is compiled.

cimport cython

from blockd.transports.client_stream cimport ClientStream
from blockd.transports.http.request cimport HttpRequest


cdef class DohConnection(ClientStream):
    cdef object _doh
    cdef readonly object _session
    cdef bytes _first
    cdef bytes _path
    cdef int _asked
    cdef int _resets
    cdef bint _has_answered
    cdef bint _is_withheld

    @cython.locals(first=bytes)
    cpdef bint arrived(self, octets) except -1

    cpdef bint has_work(self) except -1
    cpdef bint is_held(self) except -1
    cpdef bint owes(self) except -1

    @cython.locals(request=HttpRequest)
    cpdef bytes handle(self, has_time)

    cpdef left_unread(self)
    cpdef end(self)
    cpdef hurry(self)
    cpdef tire(self)
    cpdef forget(self)

    @cython.locals(status=int)
    cdef _take(self, session, HttpRequest request)

    cdef _answer(self, session, HttpRequest request, bytes answer)
    cpdef _deliver(self, HttpRequest request, bytes answer)

    @cython.locals(resets=int, octets=bytes)
    cdef bint _push(self) except -1

    cdef _note_withheld(self, bint is_withheld)
    cdef _end_flood(self)
    cdef _say_goodbye(self, int code)
