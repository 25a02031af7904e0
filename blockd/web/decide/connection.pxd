# The types with which connection.py is compiled.

cimport cython

from blockd.transports.turned_stream cimport TurnedStream
from blockd.web.decide.request_stream cimport RequestStream


cdef class DecideConnection(TurnedStream):
    cdef object _server
    cdef object _table
    cdef str _host
    cdef RequestStream _requests
    cdef bint _is_front
    cdef double _deadline
    cdef bint _lingers

    cpdef end(self)
    cpdef hurry(self)
    cpdef closed(self)
    cpdef received(self, octets)
    cpdef bint has_more(self) except -1

    @cython.locals(answers=bytes, requests=RequestStream)
    cpdef handle_some(self, has_time)

    cpdef tire(self)
    cdef _finish_after(self, last)
    cdef _touch(self)
