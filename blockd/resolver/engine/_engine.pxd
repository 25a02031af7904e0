from libc.stdint cimport uint8_t, uint32_t, uint64_t

from blockd.names._numbers cimport MAX_LABELS
from blockd.resolver.engine._answering cimport Result
from blockd.resolver.engine._asking cimport Asking
from blockd.resolver.engine._message cimport Question
from blockd.resolver._numbers cimport MAX_DATAGRAM, MAX_HEADER
from blockd.resolver.engine._outbox cimport Peer
from blockd.resolver.engine._sockets cimport iovec, mmsghdr, sockaddr

cdef enum:
    IN_BATCH = 64
    RECEIVED = MAX_DATAGRAM + MAX_HEADER  # octets of a datagram that are kept: a question, and a front end's header
    AHEAD = 16  # messages handled together: enough to hide memory latency, few enough for the first-level cache

cdef struct Looked:
    const uint8_t *packet  # of a datagram: the message without a front end's header
    uint32_t size
    bint is_dropped  # for such a header, or the want of one
    bint is_selftest
    bint served  # if not, nothing below is set
    bint ordinary  # if not, nothing below is set, and the message is declined
    bint likely_listed  # nothing but a hint
    bint has_hash
    int suffixes
    uint64_t hashed  # the question's in the cache
    Question question
    uint64_t hashes[MAX_LABELS]  # of the name's suffixes


cdef class NativeEngine(Asking):
    cdef object _wall_clock
    cdef uint32_t[::1] cells  # of the sketch of traffic
    cdef uint64_t sketch_k0
    cdef uint64_t sketch_k1
    cdef int until_noted  # questions until one is noted in the sketch; below 0 if none is
    cdef mmsghdr in_headers[IN_BATCH]
    cdef iovec in_vectors[IN_BATCH]
    cdef Peer in_peers[IN_BATCH]
    cdef uint8_t in_buffers[IN_BATCH][RECEIVED]
    cdef Looked ahead[AHEAD]

    cdef int batch  # how many messages were read last
    cdef int batch_descriptor  # of the socket that they came from

    cdef object _wait(self, Looked *looked, bytes packet, const Peer *peer, str host, transport, double idle, deliver, done, double moment)
    cdef bint _part(self, Looked *looked, bytes packet, int transport, uint64_t number) except *
    cdef tuple _keys_of(self, const Question *q, const sockaddr *client)
    cdef int _drain_batch(self, int descriptor) except -1
    cdef void _look_ahead(self, int first, int last) noexcept nogil
    cdef bint _look(self, Looked *looked, const uint8_t *packet, uint32_t size, const Peer *peer, int transport) noexcept nogil
    cdef void _hash_question(self, Looked *looked) noexcept nogil
    cdef void _note(self, const Question *q) noexcept nogil
    cdef Result _handle(self, Looked *looked, const uint8_t *packet, uint32_t size, const Peer *peer, int descriptor, uint8_t *out, uint32_t *written, double now) noexcept nogil
