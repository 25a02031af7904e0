from libc.stdint cimport uint8_t, uint32_t

from blockd.metrics._numbers cimport TRANSPORT_UDP
from blockd.resolver.engine._answering cimport Answering, Passed, Result
from blockd.resolver.engine._cache cimport Entry, NativeCache
from blockd.resolver.engine._message cimport Question
from blockd.resolver.engine._outbox cimport Outbox, Peer
from blockd.resolver.engine._sockets cimport sockaddr
from blockd.resolver.forwarding.native._failures cimport MAX_SAID
from blockd.resolver.forwarding.native._flights cimport Flight, Flights, Waiter
from blockd.resolver.forwarding.native._forwarding cimport Forwarding

cdef struct Owed:
    # Those who waited for a flight that has ended, and have no answer yet.
    Owed *next
    Waiter *first
    Entry *entry  # NULL for a failure
    int origin
    bint is_said
    uint32_t said_size
    uint8_t said[MAX_SAID]


cdef inline int transport_of(int descriptor) noexcept nogil:
    """Return the transport that a message came by: -2 - transport stands for a stream's descriptor."""
    return TRANSPORT_UDP if descriptor >= -1 else -2 - descriptor


cdef class Telling(Answering):
    cdef object _pipeline
    cdef object _sockets
    cdef object _deferred
    cdef readonly NativeCache cache
    cdef readonly Forwarding forwarding
    cdef object _forwarder
    cdef object _questions  # `PendingQuestions`; None until they are taken
    cdef bytearray _stream_out
    cdef uint8_t *stream_out  # the answer over a stream that is being made
    cdef Outbox outbox
    cdef Owed *owed  # the oldest first
    cdef Owed *last_owed
    cdef int owing  # how many wait of these, and for the flights of `leaving`

    cdef uint8_t *_room(self, int descriptor) noexcept nogil
    cdef int _answer_waiter(self, Waiter *waiter, Entry *entry, int origin, double now) except -1
    cdef int _tell_connection(self, const Waiter *waiter, const Question *q, const sockaddr *client, Result result, const uint8_t *out, uint32_t written) except -1
    cdef int _lose(self, Flights flights, Flight *flight) except -1
    cdef _give_back(self, const Peer *peer, int descriptor, const uint8_t *packet, uint32_t size)
    cdef bint _is_decided_late(self, const Question *q, const sockaddr *client, int transport, uint8_t *out, uint32_t *written, Result *result, Passed *passed) noexcept nogil
    cdef Result _late_answer(self, const Question *q, Entry *entry, const sockaddr *client, int transport, int origin, uint8_t *out, uint32_t *written, double now) noexcept nogil
    cdef Result _late_failure(self, const Question *q, const sockaddr *client, int transport, const uint8_t *errors, uint32_t errors_size, uint8_t *out, uint32_t *written) noexcept nogil
    cdef int _pay(self) except -1
    cdef bint _owe(self, Flights flights, Flight *flight, Entry *entry, int origin, const uint8_t *message, uint32_t size) except *
    cdef int _tell_all(self, Flights flights, Flight *flight, Entry *entry, int origin, const uint8_t *message, uint32_t size, double now) except -1
    cdef int _tell_numbered(self, const Waiter *waiter, const Entry *entry, const uint8_t *message, uint32_t size) except -1
