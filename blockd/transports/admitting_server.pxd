# The types with which admitting_server.py is compiled.

from blockd.transports.stream_sockets cimport StreamSockets
from blockd.transports.turns cimport TakingTurns


cdef class AdmittingServer:
    cdef public double idle
    cdef readonly object connections
    cdef public TakingTurns turns  # a test has other ones
    cdef readonly StreamSockets streams
    cdef object _row
    cdef object _pace
    cdef readonly object _line
    cdef readonly list _acceptors
    cdef readonly bint is_draining

    cpdef bint serves(self, str host) except -1
    cpdef bint is_front_end(self, str host) except -1
    cpdef bint may_open(self, str host) except -1
    cpdef _begin_turn(self)
