# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Who waits for upstreams is answered: in this turn of the event loop or, if that has no time for all, in the next ones."""

from libc.stdint cimport uint8_t, uint32_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy

from blockd.metrics import counters as layout
from blockd.metrics.counters import Transport
from blockd.resolver.engine.twin import Deferred, send
from blockd.resolver.query_context import Outcome

from blockd.dns cimport _types as types
from blockd.resolver.engine._answering cimport ANSWERED, DECLINED, Answering, Passed, Result
from blockd.resolver.engine._cache cimport Entry, copy_of
from blockd.resolver.engine._message cimport Question, read_question, write_answer
from blockd.resolver.engine._outbox cimport Outbox, Peer, client_of
from blockd.resolver.engine._peers cimport address_of, ancillary_of, client_text
from blockd.resolver.engine._sockets cimport sockaddr
from blockd.resolver.forwarding.native._flights cimport NUMBERED, Flight, Flights, Waiter
from blockd.resolver.forwarding.native._forwarding cimport Forwarding
from blockd.ruleset._parties cimport Decision, undecided

cdef int _CACHE_MISSES_AT = layout._CACHE_MISSES


cdef class Telling(Answering):
    """Answers those who wait, in C or in Python; what it declines goes to `pipeline`."""

    def __init__(self, pipeline, service, numbers):
        Answering.__init__(self, service, numbers)
        self._pipeline = pipeline
        self._sockets = {}
        self._deferred = []
        self.outbox = Outbox()
        self._stream_out = bytearray(types.MAX_TCP)
        self.stream_out = <uint8_t *><char *>self._stream_out

    def __dealloc__(self):
        cdef Owed *owed
        cdef Waiter *waiter
        while self.owed != NULL:
            owed, self.owed = self.owed, self.owed.next
            while owed.first != NULL:
                waiter, owed.first = owed.first, owed.first.next
                free(waiter)
            free(owed.entry)
            free(owed)

    cdef int _tell_all(
        self, Flights flights, Flight *flight, Entry *entry, int origin, const uint8_t *message, uint32_t size, double now
    ) except -1:
        """Answer those who wait for a flight with an entry, NULL for its failure, and those in Python with a message."""
        cdef Waiter *waiter
        try:
            while flight.first != NULL:
                waiter = flight.first
                if waiter.descriptor == NUMBERED:
                    self._tell_numbered(waiter, entry, message, size)
                else:
                    self._answer_waiter(waiter, entry, origin, now)
                flight.first = waiter.next
                flight.waiters -= 1
                flights.waiting -= 1
                flights.free_waiter(waiter)
                if flight.first != NULL and self.forwarding.is_over() and self._owe(flights, flight, entry, origin, message, size):
                    break
        finally:
            if flight.first != NULL:
                self._lose(flights, flight)
        return 0

    cdef int _lose(self, Flights flights, Flight *flight) except -1:
        """Let go of those who were not answered because of an internal error; streams are told, since they wait on."""
        cdef Waiter *waiter = flight.first
        while waiter != NULL:
            if waiter.descriptor < NUMBERED:
                self._questions.answered(waiter.number, None)
            waiter = waiter.next
        flights.dismiss(flight)
        return 0

    cdef int _tell_numbered(
        self, const Waiter *waiter, const Entry *entry, const uint8_t *message, uint32_t size
    ) except -1:
        """Tell one who waits in Python what came of a question: a message and its entry, NULL for a failure."""
        cdef Forwarding forwarding = self.forwarding
        if message != NULL:
            self._forwarder.settled(waiter.number, <bytes>message[:size], self.cache.sources[entry.source])
        else:
            self._forwarder.failed(waiter.number, forwarding.said[:forwarding.said_size], forwarding.is_said)
        return 0

    cdef bint _owe(
        self, Flights flights, Flight *flight, Entry *entry, int origin, const uint8_t *message, uint32_t size
    ) except *:
        """Leave those who still wait for a flight to the next turns; False if that cannot be.

        Who waits in Python is told at once: of equal questions there is one of theirs.
        """
        cdef Waiter *waiter
        cdef Waiter **place = &flight.first
        cdef Forwarding forwarding = self.forwarding
        cdef Owed *owed = <Owed *>malloc(sizeof(Owed))
        if owed == NULL:
            return False
        owed.next = NULL
        owed.entry = NULL
        if entry != NULL:
            owed.entry = copy_of(entry)  # it may leave the cache before all are answered
            if owed.entry == NULL:
                free(owed)
                return False
        owed.origin = origin
        owed.is_said, owed.said_size = forwarding.is_said, forwarding.said_size
        memcpy(owed.said, forwarding.said, forwarding.said_size)
        while place[0] != NULL:
            waiter = place[0]
            if waiter.descriptor != NUMBERED:
                place = &waiter.next
                continue
            place[0] = waiter.next
            flight.waiters -= 1
            flights.waiting -= 1
            try:
                self._tell_numbered(waiter, entry, message, size)
            finally:
                flights.free_waiter(waiter)
        owed.first = flight.first
        self.owing += flight.waiters
        flights.waiting -= flight.waiters
        flight.first = flight.last = NULL
        flight.waiters = 0
        if self.owed == NULL:
            self.owed = owed
        else:
            self.last_owed.next = owed
        self.last_owed = owed
        return True

    cdef int _pay(self) except -1:
        """Answer those whom earlier turns had no time for, in this turn or the next ones."""
        cdef Forwarding forwarding = self.forwarding
        cdef double now = forwarding.moment()
        cdef Owed *owed
        cdef Waiter *waiter
        self.is_selftest = False
        while self.owed != NULL:
            owed = self.owed
            forwarding.is_said, forwarding.said_size = owed.is_said, owed.said_size
            memcpy(forwarding.said, owed.said, owed.said_size)
            while owed.first != NULL:
                waiter = owed.first
                owed.first = waiter.next
                self.owing -= 1
                try:
                    self._answer_waiter(waiter, owed.entry, owed.origin, now)
                finally:
                    forwarding.flights.free_waiter(waiter)
                if owed.first != NULL and forwarding.is_over():
                    return 0
            self.owed = owed.next
            free(owed.entry)
            free(owed)
            if forwarding.is_over():
                break
        return 0

    cdef int _answer_waiter(self, Waiter *waiter, Entry *entry, int origin, double now) except -1:
        """Answer one who waits with an entry, or by its failure if that is NULL, by the ruleset in force now."""
        cdef Question q
        cdef Forwarding forwarding = self.forwarding
        cdef const sockaddr *client = client_of(&waiter.peer)
        cdef int transport = transport_of(waiter.descriptor)
        cdef uint8_t *out = self._room(waiter.descriptor)
        cdef uint32_t written = 0
        cdef Result result = DECLINED
        self.rcode = -1
        if read_question(waiter.packet, waiter.size, transport, self.client_option, &q):
            if q.options_size:
                self.keepalive = waiter.keepalive
                self._prepare(&q, client)
                self.keepalive = 0
            if entry != NULL:
                result = self._late_answer(&q, entry, client, transport, origin, out, &written, now)
            else:
                result = self._late_failure(&q, client, transport, forwarding.said, forwarding.said_size, out, &written)
        if waiter.descriptor < NUMBERED:
            self._tell_connection(waiter, &q, client, result, out, written)
        elif result == DECLINED:
            self._give_back(&waiter.peer, waiter.descriptor, waiter.packet, waiter.size)
        elif written:
            self._leave(&q, client, True, out, &written, now)
            if written:
                self.outbox.put(&waiter.peer, written)
        return 0

    cdef uint8_t *_room(self, int descriptor) noexcept nogil:
        """Return where the next answer is written: in the outbox, or for a stream."""
        return self.outbox.room(descriptor) if descriptor >= 0 else self.stream_out

    cdef int _tell_connection(
        self, const Waiter *waiter, const Question *q, const sockaddr *client, Result result, const uint8_t *out,
        uint32_t written,
    ) except -1:
        """Count the answer to one who waits over a stream, which gets it once the engine has done what it is at."""
        if result == DECLINED:
            self._questions.given_back(waiter.number)
            return 0
        if written:
            self._leave(q, client, False, NULL, &written, 0)
        self._questions.answered(waiter.number, <bytes>out[:written] if written else None)
        return 0

    cdef bint _is_decided_late(
        self, const Question *q, const sockaddr *client, int transport, uint8_t *out, uint32_t *written, Result *result,
        Passed *passed,
    ) noexcept nogil:
        """Answer a client that waited if the ruleset in force now decides its question (see `_is_decided`)."""
        cdef Decision name = undecided()
        self._turn_to(client, passed)
        if self.table is not None:
            name = self.table.decide(q.key, q.key_size, q.ends, q.labels)
        return self._is_decided(q, client, name, transport, out, written, result, passed)

    cdef Result _late_answer(
        self, const Question *q, Entry *entry, const sockaddr *client, int transport, int origin, uint8_t *out,
        uint32_t *written, double now,
    ) noexcept nogil:
        """Answer a client that waited, perhaps in vain, by the ruleset in force now."""
        cdef Result result
        cdef Passed passed
        if not self._is_decided_late(q, client, transport, out, written, &result, &passed):
            result = self._from_entry(q, entry, transport, &passed, origin, out, written, now)
        if result != DECLINED:  # else the pipeline counts it
            self.row[_CACHE_MISSES_AT] += 1
        return result

    cdef Result _late_failure(
        self, const Question *q, const sockaddr *client, int transport, const uint8_t *errors, uint32_t errors_size,
        uint8_t *out, uint32_t *written,
    ) noexcept nogil:
        """Answer a client whose question failed with SERVFAIL, unless the ruleset in force now decides it."""
        cdef Result result
        cdef Passed passed
        if not self._is_decided_late(q, client, transport, out, written, &result, &passed):
            written[0] = write_answer(out, q, types.SERVFAIL, 0, 0, 0, errors, 0, errors, errors_size, False, False)
            self._count(transport, passed.hit, -1, types.SERVFAIL)
            result = ANSWERED
        if result != DECLINED and not self.is_selftest:  # else the pipeline counts it
            self.row[_CACHE_MISSES_AT] += 1
        return result

    cdef _give_back(self, const Peer *peer, int descriptor, const uint8_t *packet, uint32_t size):
        """Have the pipeline answer a message; note it if that must wait."""
        begun = self._pipeline.begin(<bytes>packet[:size], client_text(peer), Transport.UDP)
        if begun is Outcome.SILENCE:
            return
        address, ancillary = address_of(peer), ancillary_of(peer)
        if isinstance(begun, bytes):
            send(self._sockets[descriptor], begun, address, ancillary)
        else:
            self._deferred.append(Deferred(begun, address, ancillary, descriptor))
