from libc.stdint cimport uint8_t, uint32_t, uint64_t

from blockd.resolver._answering cimport Answering, Result
from blockd.resolver._cache cimport NativeCache
from blockd.resolver._flights cimport Flight, Flights
from blockd.resolver._outbox cimport Outbox, Peer
from blockd.resolver._sockets cimport iovec, mmsghdr

cdef enum:
    IN_SIZE = 4096  # octets of a question; a longer one is cut and so refused as malformed
    IN_BATCH = 64


cdef class NativeEngine(Answering):
    cdef object _pipeline
    cdef object _clock
    cdef object _sockets
    cdef object _declined
    cdef readonly NativeCache cache
    cdef readonly Flights flights
    cdef Outbox outbox
    cdef int epoll
    cdef readonly uint64_t unreachable  # how often the network said that an upstream cannot be reached
    cdef mmsghdr in_headers[IN_BATCH]
    cdef iovec in_vectors[IN_BATCH]
    cdef Peer in_peers[IN_BATCH]
    cdef uint8_t in_buffers[IN_BATCH][IN_SIZE]

    cdef int _place_of(self, int descriptor) noexcept nogil
    cdef Result _handle(self, const uint8_t *packet, uint32_t size, const Peer *peer, int descriptor, uint8_t *out, uint32_t *written, double now) noexcept nogil
    cdef _land(self, Flight *flight, const uint8_t *message, uint32_t size, double now)
    cdef _give_up(self, Flight *flight)
    cdef _give_up_socket(self, int index)
    cdef _give_up_refused(self)
    cdef _give_back(self, const Peer *peer, int descriptor, const uint8_t *packet, uint32_t size)
