# The types with which client_stream.py is compiled.

cimport cython

from blockd.transports.fronted_stream cimport FrontedStream
from blockd.transports.stream_server cimport StreamServer


cdef class ClientStream(FrontedStream):
    cdef set _waiting
    cdef double _idle
    cdef double _touched
    cdef readonly double _deadline
    cdef readonly object _tls
    cdef bint _has_sealed

    cpdef bint is_plain(self, octets) except -1
    cpdef secured(self, str alpn)
    cpdef bint arrived(self, octets) except -1
    cpdef bint has_work(self) except -1
    cpdef bint owes(self) except -1
    cpdef bytes handle(self, has_time)
    cpdef forget(self)

    @cython.locals(server=StreamServer)
    cpdef ask(self, bytes message, str host, deliver)

    cpdef reply(self, octets)
    cpdef bint transmit(self, octets) except -1
    cpdef bint is_held(self) except -1
    cpdef end(self)

    @cython.locals(last=double, idle=double)
    cpdef hurry(self)

    cpdef closed(self)
    cpdef received(self, octets)
    cpdef received_all(self)
    cpdef left_unread(self)
    cpdef taken(self)

    @cython.locals(answers=bytes)
    cpdef handle_some(self, has_time)

    cpdef bint has_more(self) except -1

    @cython.locals(now=double)
    cpdef tire(self)

    @cython.locals(octets=bytes)
    cdef _decrypt(self, tls)

    cdef _end_half_open(self, event)
    cdef _send_sealed(self)

    @cython.locals(now=double)
    cdef _touch(self)

    cdef _restart_idle_time(self, double now)
