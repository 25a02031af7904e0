# The types with which stream_server.py is compiled.

cimport cython

from blockd.transports.stream_sockets cimport StreamSockets
from blockd.transports.turns cimport TakingTurns


cdef class StreamServer:
    cdef readonly object resolver
    cdef readonly object tls
    cdef public double idle
    cdef readonly object connections
    cdef readonly object unread
    cdef readonly object half_open
    cdef public TakingTurns turns  # a test has other ones
    cdef readonly StreamSockets streams
    cdef object _row
    cdef object _pace
    cdef readonly object _line
    cdef readonly list _acceptors
    cdef int _places

    @cython.locals(places=int, free=int)
    cpdef double idle_seconds(self) except -1

    cpdef leaves_unread(self, str host, connection)
    cpdef has_read(self, str host, connection)
    cpdef is_half_open(self, str host, connection)
    cpdef is_half_open_no_more(self, str host, connection)
    cpdef bint is_front_end(self, str host) except -1
    cpdef bint may_open(self, str host) except -1
    cpdef happened(self, event, int times=?)
    cpdef _begin_turn(self)
