# The types with which connection.py is compiled.

cimport cython

from blockd.transports.stream_sockets cimport StreamSocket
from blockd.web.decide.request_stream cimport RequestStream


cdef class DecideConnection(StreamSocket):
    cdef object _server
    cdef object _table
    cdef str _host
    cdef RequestStream _requests
    cdef bint _is_front
    cdef str _newcomer_from
    cdef double _deadline
    cdef bint _ended
    cdef bint _half_closed
    cdef bint _is_unread
    cdef bint _has_turn
    cdef bint _lingers

    cpdef abort(self)
    cpdef end(self)
    cpdef closed(self)
    cpdef bint wants_more(self) except -1
    cpdef received(self, octets)
    cpdef received_all(self)
    cpdef left_unread(self)
    cpdef taken(self)
    cpdef str newcomer_from(self)

    @cython.locals(answers=bytes, requests=RequestStream)
    cpdef bint work(self, has_time) except -1

    cpdef tire(self)
    cdef _ask_for_turn(self)
    cdef _finish_after(self, last)
    cdef _touch(self)
