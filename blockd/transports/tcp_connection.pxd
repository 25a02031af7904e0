# The types with which tcp_connection.py is compiled.

cimport cython

from blockd.transports.stream_sockets cimport StreamSocket


cdef class TcpConnection(StreamSocket):
    cdef object _server
    cdef str _host
    cdef readonly bytearray _buffer
    cdef readonly bytes _cut
    cdef readonly int _left
    cdef set _waiting
    cdef double _idle
    cdef readonly double _deadline
    cdef bint _ended
    cdef bint _half_closed
    cdef readonly bint _is_unread
    cdef str _newcomer_from
    cdef bint _has_turn

    cpdef abort(self)
    cpdef end(self)
    cpdef closed(self)
    cpdef bint wants_more(self) except -1

    @cython.locals(size=int)
    cpdef received(self, octets)

    cpdef received_all(self)
    cpdef left_unread(self)
    cpdef taken(self)
    cpdef str newcomer_from(self)

    @cython.locals(answers=bytes, message=bytes)
    cpdef bint work(self, has_time) except -1

    cdef _ask_for_turn(self)
    cdef bint _is_held(self) except -1
    cdef bint _has_octets(self) except -1

    @cython.locals(buffer=bytearray)
    cdef bint _has_message(self) except -1

    @cython.locals(buffer=bytearray, message=bytes, size=int, kept=int)
    cdef bytes _next(self)

    cdef bytes _take(self, bytes message)
    cdef _answer(self, octets)
    cdef _end_if_owed_nothing(self)
    cdef _touch(self)
    cdef _restart_idle_time(self)

    @cython.locals(now=double)
    cpdef tire(self)
