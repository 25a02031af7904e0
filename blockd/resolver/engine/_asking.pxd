from libc.stdint cimport uint8_t, uint32_t, uint64_t

from blockd.resolver.engine._answering cimport DECLINED, Answering, Passed, Result
from blockd.resolver.engine._cache cimport Entry, NativeCache
from blockd.resolver.engine._message cimport Question
from blockd.resolver.engine._outbox cimport Outbox, Peer
from blockd.resolver.engine._sockets cimport sockaddr
from blockd.resolver.forwarding.native._flights cimport Flight, Waiter
from blockd.resolver.forwarding.native._forwarding cimport Forwarding

cdef class Asking


cdef class EngineForwarding(Forwarding):
    cdef Asking engine


cdef class Asking(Answering):
    cdef object _pipeline
    cdef object _clock
    cdef object _sockets
    cdef object _deferred
    cdef readonly NativeCache cache
    cdef readonly EngineForwarding forwarding
    cdef object _forwarder
    cdef public double stale_after  # seconds for which a client waits before it gets what has expired
    cdef Outbox outbox

    cdef Result _ask(self, const Question *q, uint64_t hashed, const uint8_t *packet, uint32_t size, const Peer *peer, int descriptor, uint32_t *written, double now) except? DECLINED
    cdef int _carry_over(self, Forwarding before, double now) except -1
    cdef int _give_stale(self, Flight *flight, double now) except -1
    cdef int _answer_waiter(self, Waiter *waiter, Entry *entry, int origin, double now) except -1
    cdef int _land(self, Flight *flight, Entry *entry, uint32_t lifetime, const uint8_t *message, uint32_t size, double now) except -1
    cdef int _fail(self, Flight *flight, double now) except -1
    cdef _give_back(self, const Peer *peer, int descriptor, const uint8_t *packet, uint32_t size)
    cdef void _refresh(self, Entry *entry, double now) noexcept nogil
    cdef int _ask_anew(self, Entry *entry, double now) except -1
    cdef bint _is_decided_late(self, const Question *q, const sockaddr *client, uint8_t *out, uint32_t *written, Result *result, Passed *passed) noexcept nogil
    cdef Result _late_answer(self, const Question *q, Entry *entry, const sockaddr *client, int origin, uint8_t *out, uint32_t *written, double now) noexcept nogil
    cdef Result _late_failure(self, const Question *q, const sockaddr *client, const uint8_t *errors, uint32_t errors_size, uint8_t *out, uint32_t *written) noexcept nogil
