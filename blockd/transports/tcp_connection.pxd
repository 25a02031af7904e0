# The types with which tcp_connection.py is compiled.

cimport cython

from blockd.transports.client_stream cimport ClientStream


cdef class TcpConnection(ClientStream):
    cdef readonly bytearray _buffer
    cdef readonly bytes _cut
    cdef readonly int _left

    cpdef forget(self)

    @cython.locals(size=int)
    cpdef bint arrived(self, octets) except -1

    @cython.locals(is_own=bint, is_busy=bint)
    cpdef bint pass_on(self, heir) except -1

    cpdef go_on(self, bytes octets)

    @cython.locals(buffer=bytearray)
    cpdef bint has_work(self) except -1

    @cython.locals(answers=bytes, message=bytes)
    cpdef bytes handle(self, has_time)

    @cython.locals(buffer=bytearray, message=bytes, size=int, kept=int)
    cdef bytes _next(self)

    cdef bytes _take(self, bytes message)
