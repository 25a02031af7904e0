# The types with which stream_sockets.py is compiled.

cimport cython

from blockd.transports._stream_calls cimport NativeStreamCalls
from blockd.transports.deadlines cimport Deadlines

cdef int UNUSABLE


@cython.final
cdef class StreamSockets:
    cdef readonly object clock
    cdef readonly Deadlines deadlines
    cdef readonly NativeStreamCalls calls
    cdef object _begins
    cdef object _loop
    cdef readonly object _epoll
    cdef dict _streams
    cdef bint _closing

    cpdef close(self)
    cpdef add(self, StreamSocket stream, int descriptor)
    cpdef watch(self, int descriptor, int events)
    cpdef remove(self, StreamSocket stream, int descriptor)

    @cython.locals(end=double, stream=StreamSocket)
    cpdef _serve(self)

    cdef _close_if_empty(self)


cdef class StreamSocket:
    cdef readonly StreamSockets streams
    cdef public long long due
    cdef readonly bint reads
    cdef object _sock
    cdef int _descriptor
    cdef int _events
    cdef bytes _unsent
    cdef bint _finishing

    cpdef received(self, octets)
    cpdef received_all(self)
    cpdef bint wants_more(self) except -1
    cpdef left_unread(self)
    cpdef taken(self)
    cpdef closed(self)
    cpdef tire(self)

    @cython.locals(size=int, calls=NativeStreamCalls)
    cpdef receive(self)

    cpdef read(self, bint reads)
    cpdef acknowledge(self)

    @cython.locals(sent=int)
    cpdef send(self, bytes octets)

    cpdef finish(self)
    cpdef close(self)
    cpdef serve(self, int events)
    cdef _sent_all(self)

    @cython.locals(sent=int)
    cdef int _send(self, bytes octets) except -1
    cdef _watch(self, int events)
