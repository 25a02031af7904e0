# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Upstreams asked for the engine: questions that the cache does not answer, and what becomes of those who wait.

It is one module, and longer than others may be: whatever ends a flight answers the same waiters in the engine's buffers,
and a cut between them would cost calls for each question.
"""

import math

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free
from libc.string cimport memcpy

from blockd.metrics import counters as layout
from blockd.metrics.counters import Transport
from blockd.resolver.engine.twin import Deferred, send
from blockd.resolver.query_context import Outcome
from blockd.resolver.records import error_option
from blockd.resolver.waiting import TOO_MANY as TOO_MANY_TEXT

from blockd.dns cimport _types as types
from blockd.metrics._numbers cimport TRANSPORT_UDP
from blockd.resolver.engine._answering cimport (
    ANSWERED, DECLINED, FLOWN, FROM_UPSTREAM, STALE, Answering, Passed, Result,
)
from blockd.resolver.engine._cache cimport Entry, NativeCache
from blockd.resolver.engine._message cimport Question, read_question, write_answer
from blockd.resolver._numbers cimport MAX_REFRESHES
from blockd.resolver.engine._outbox cimport Outbox, Peer
from blockd.resolver.engine._peers cimport address_of, ancillary_of
from blockd.resolver.engine._sockets cimport begun_second, monotonic, sockaddr
from blockd.resolver.forwarding.native._failures cimport Failure
from blockd.resolver.forwarding.native._flights cimport MAX_PACKET, MAX_WAITING, NUMBERED, Flight, Waiter
from blockd.resolver.forwarding.native._forwarding cimport ASKED_FAILED, ASKED_FLYING, ASKED_FULL, Asked, Forwarding
from blockd.ruleset._parties cimport Decision, undecided

cdef bytes TOO_MANY = error_option(types.EDE_NETWORK_ERROR, TOO_MANY_TEXT)
cdef int _CACHE_MISSES_AT = layout._CACHE_MISSES
cdef int _CACHE_REFRESHES_AT = layout._CACHE_REFRESHES


cdef class EngineForwarding(Forwarding):
    """The engine's questions to upstreams; what comes of them answers those who wait in the engine."""

    cdef int settle(
        self, Flight *flight, Entry *entry, uint32_t lifetime, const uint8_t *message, uint32_t size, double now
    ) except -1:
        return self.engine._land(flight, entry, lifetime, message, size, now)

    cdef int settle_failed(self, Flight *flight, double now) except -1:
        return self.engine._fail(flight, now)

    cdef int answer_stale(self, Flight *flight, double now) except -1:
        return self.engine._give_stale(flight, now)

    cdef int probe_answered(self, int upstream, double now, double seconds, bint resolves) except -1:
        self.engine._forwarder.probe_answered(upstream, now, seconds, resolves)
        return 0

    cdef int probe_failed(self, int upstream, double now) except -1:
        self.engine._forwarder.probe_failed(upstream, now)
        return 0


cdef class Asking(Answering):
    """Asks upstreams for those who wait, in C or in Python, and answers them; the rest goes to `pipeline`."""

    def __init__(self, pipeline, NativeCache cache, service, instruments):
        Answering.__init__(self, service, instruments.row.numbers)
        self._pipeline = pipeline
        self._clock = instruments.clock
        self._sockets = {}
        self._deferred = []
        self.cache = cache
        cache.note_size_in(instruments.row.numbers)
        self.outbox = Outbox()
        self.stale_after = math.inf

    def forward(self, upstreams, groups, options, forwarder):
        """Ask these upstreams from now on (see `Forwarding`); return what is given back of those who wait.

        What somebody waits for is asked anew. `forwarder` asks over streams, and gets what comes of questions with a
        number, and of probes.
        """
        cdef Forwarding before = self.forwarding
        self._deferred = []
        self._forwarder = forwarder
        self.forwarding = EngineForwarding(self, upstreams, groups, options, forwarder.ask_stream, self._clock)
        self.forwarding.engine = self
        if before is not None:
            self.second = begun_second()
            self._carry_over(before, monotonic())
            before.stop()
            self.outbox.flush()
        return self._deferred

    cdef int _carry_over(self, Forwarding before, double now) except -1:
        """Ask the questions that somebody waits for; if that fails at once, they are answered with it."""
        cdef Forwarding forwarding = self.forwarding
        cdef Flight *flight = <Flight *>before.flights.ages.oldest
        cdef Waiter *waiter
        cdef Asked asked
        cdef int count
        while flight != NULL:
            count = flight.waiters
            if count:
                asked = forwarding.ask(
                    flight.hash, flight.key, flight.key_size, flight.qtype, flight.do_, flight.cd, now
                )
                if asked == ASKED_FLYING:
                    waiter = flight.first
                    while waiter != NULL:
                        forwarding.flights.join(
                            forwarding.found, &waiter.peer, waiter.descriptor, waiter.packet, waiter.size, waiter.number
                        )
                        waiter = waiter.next
                    before.flights.dismiss(flight)
                else:
                    if asked != ASKED_FAILED:
                        forwarding.is_said = False
                        forwarding.said_size = len(TOO_MANY)
                        memcpy(forwarding.said, <const char *>TOO_MANY, len(TOO_MANY))
                    self._fail(flight, now)
                    forwarding.flights.waiting += count  # `_fail` has taken them for its own
                    before.flights.waiting -= count
            flight = <Flight *>flight.age.newer
        return 0

    def stop_forwarding(self):
        """Answer all who wait for upstreams, and close the sockets to these; return what is given back."""
        self._deferred = []
        self.second = begun_second()
        self.forwarding.stop()
        self.outbox.flush()
        return self._deferred

    def resolve(self, bytes key, int qtype, bint do_, bint cd, uint64_t number):
        """Ask a question; what comes of it is told to the forwarder with `number`.

        Return None, or the EDE options of a failure that is known already, and whether an upstream said so.
        """
        cdef const uint8_t *octets = <const uint8_t *><const char *>key
        cdef double now = monotonic()
        cdef Forwarding forwarding = self.forwarding
        cdef Asked asked
        asked = forwarding.ask(
            self.cache.hash_of(octets, len(key), qtype, do_, cd), octets, len(key), qtype, do_, cd, now
        )
        if asked == ASKED_FAILED:
            return forwarding.said[:forwarding.said_size], forwarding.is_said
        if asked != ASKED_FLYING or not forwarding.flights.join(forwarding.found, NULL, NUMBERED, NULL, 0, number):
            return TOO_MANY, False
        return None

    def forget(self, bytes key, int qtype, bint do_, bint cd):
        """Forget the failure of a question, if one is remembered, so that it is asked again."""
        cdef const uint8_t *octets = <const uint8_t *><const char *>key
        cdef Failure *failure = self.forwarding.failures.find(
            self.cache.hash_of(octets, len(key), qtype, do_, cd), octets, len(key), qtype, do_, cd
        )
        if failure != NULL:
            self.forwarding.failures.forget(failure)

    def land(self, int upstream, bytes message):
        """Take a message that came over an upstream's stream; return what is given back."""
        self._deferred = []
        self.second = begun_second()
        self.forwarding.land(upstream, message)
        self.outbox.flush()
        return self._deferred

    def stream_failed(self, int upstream, ids, int kind, bytes why):
        """Take word that some questions will not be answered over a stream; return what is given back."""
        self._deferred = []
        self.second = begun_second()
        self.forwarding.stream_failed(upstream, ids, kind, why)
        self.outbox.flush()
        return self._deferred

    def send(self, answer, deferred):
        """Send the answer to a message that was given back."""
        send(self._sockets[deferred.descriptor], answer, deferred.address, deferred.ancillary)

    def drain_upstreams(self):
        """Take what upstreams sent and go on with what is due; return what is given back of those who wait."""
        self._deferred = []
        self.second = begun_second()
        self.is_selftest = False  # none waits here: a lookup asks over TCP, which the pipeline forwards
        self.forwarding.drain(monotonic())
        self.outbox.flush()
        return self._deferred

    cdef Result _ask(
        self, const Question *q, uint64_t hashed, const uint8_t *packet, uint32_t size, const Peer *peer, int descriptor,
        uint32_t *written, double now,
    ) except? DECLINED:
        """Have a client wait for upstreams.

        If it is known already that they fail, or take long, answer so, or with what has expired, into the outbox's room.
        """
        cdef const sockaddr *client = <const sockaddr *>&peer.address
        cdef Forwarding forwarding = self.forwarding
        cdef bint is_unusual = forwarding is None or not forwarding.is_started or size > MAX_PACKET
        cdef bint cd = (q.flags & types.CD) != 0
        cdef const uint8_t *said = <const uint8_t *><const char *>TOO_MANY
        cdef uint32_t said_size = <uint32_t>len(TOO_MANY)
        cdef Asked asked = ASKED_FULL
        cdef Entry *stale = NULL
        cdef Flight *flight
        cdef bint is_selftest = self.is_selftest
        if is_unusual:
            return DECLINED
        if forwarding.flights.waiting < MAX_WAITING:
            asked = forwarding.ask(hashed, q.key, q.key_size, q.qtype, q.do_, cd, now)
            self.is_selftest = is_selftest  # another flight may have ended for this one
        if self.cache.stale > 0:
            stale = self.cache.find_stale(hashed, q.key, q.key_size, q.qtype, q.do_, cd, now)
        if asked == ASKED_FLYING:
            flight = forwarding.found
            if stale == NULL or now < flight.started + self.stale_after:
                if forwarding.flights.join(flight, peer, descriptor, packet, size, 0):
                    if stale != NULL and flight.stale_at > flight.started + self.stale_after:
                        flight.stale_at = flight.started + self.stale_after
                        forwarding.flights.plan(flight, min(flight.due, flight.stale_at))
                    return FLOWN
        elif asked == ASKED_FAILED:
            said, said_size = forwarding.said, forwarding.said_size
        if stale != NULL:
            return self._late_answer(q, stale, client, STALE, self.outbox.room(descriptor), written, now)
        return self._late_failure(q, client, said, said_size, self.outbox.room(descriptor), written)

    cdef int _give_stale(self, Flight *flight, double now) except -1:
        """Answer those who wait in C for a flight that takes long with what has expired; the others go on waiting."""
        cdef Waiter **place = &flight.first
        cdef Waiter *waiter
        cdef Waiter *before = NULL
        cdef Entry *stale
        now = self.forwarding.moment()
        stale = self.cache.find_stale(
            flight.hash, flight.key, flight.key_size, flight.qtype, flight.do_, flight.cd, now
        )
        if stale == NULL:
            return 0
        while place[0] != NULL:
            waiter = place[0]
            if waiter.descriptor == NUMBERED:
                before = waiter
                place = &waiter.next
                continue
            place[0] = waiter.next
            if flight.last == waiter:
                flight.last = before
            flight.waiters -= 1
            self.forwarding.flights.waiting -= 1
            try:
                self._answer_waiter(waiter, stale, STALE, now)
            finally:
                self.forwarding.flights.free_waiter(waiter)
        return 0

    cdef int _answer_waiter(self, Waiter *waiter, Entry *entry, int origin, double now) except -1:
        """Answer one who waits with an entry, or by its failure if that is NULL, by the ruleset in force now."""
        cdef Question q
        cdef Forwarding forwarding = self.forwarding
        cdef const sockaddr *client = <const sockaddr *>&waiter.peer.address
        cdef uint8_t *out = self.outbox.room(waiter.descriptor)
        cdef uint32_t written = 0
        cdef Result result = DECLINED
        if read_question(waiter.packet, waiter.size, True, &q):
            if entry != NULL:
                result = self._late_answer(&q, entry, client, origin, out, &written, now)
            else:
                result = self._late_failure(&q, client, forwarding.said, forwarding.said_size, out, &written)
        if result == DECLINED:
            self._give_back(&waiter.peer, waiter.descriptor, waiter.packet, waiter.size)
        elif written:
            self.outbox.put(&waiter.peer, written)
        return 0

    cdef bint _is_decided_late(
        self, const Question *q, const sockaddr *client, uint8_t *out, uint32_t *written, Result *result, Passed *passed
    ) noexcept nogil:
        """Answer a client that waited if the ruleset in force now decides its question (see `_is_decided`)."""
        cdef Decision name = undecided()
        if self.table is not None:
            name = self.table.decide(q.key, q.key_size, q.ends, q.labels)
        return self._is_decided(q, client, name, TRANSPORT_UDP, out, written, result, passed)

    cdef Result _late_answer(
        self, const Question *q, Entry *entry, const sockaddr *client, int origin, uint8_t *out, uint32_t *written,
        double now,
    ) noexcept nogil:
        """Answer a client that waited, perhaps in vain, by the ruleset in force now."""
        cdef Result result
        cdef Passed passed
        if not self._is_decided_late(q, client, out, written, &result, &passed):
            result = self._from_entry(q, entry, TRANSPORT_UDP, &passed, origin, out, written, now)
        if result != DECLINED:  # else the pipeline counts it
            self.row[_CACHE_MISSES_AT] += 1
        return result

    cdef Result _late_failure(
        self, const Question *q, const sockaddr *client, const uint8_t *errors, uint32_t errors_size,
        uint8_t *out, uint32_t *written,
    ) noexcept nogil:
        """Answer a client whose question failed with SERVFAIL, unless the ruleset in force now decides it."""
        cdef Result result
        cdef Passed passed
        if not self._is_decided_late(q, client, out, written, &result, &passed):
            written[0] = write_answer(out, q, types.SERVFAIL, 0, 0, 0, errors, 0, errors, errors_size, False, False)
            self._count(TRANSPORT_UDP, passed.hit, -1, types.SERVFAIL)
            result = ANSWERED
        if result != DECLINED and not self.is_selftest:  # else the pipeline counts it
            self.row[_CACHE_MISSES_AT] += 1
        return result

    cdef int _land(
        self, Flight *flight, Entry *entry, uint32_t lifetime, const uint8_t *message, uint32_t size, double now
    ) except -1:
        """Keep an upstream's response and answer those who wait for it."""
        cdef Waiter *waiter = flight.first
        cdef bint kept = False
        entry.hash = flight.hash
        entry.qtype, entry.do_, entry.cd = flight.qtype, flight.do_, flight.cd
        self.is_selftest = False
        if self.forwarding._clock is not None:
            now = self.forwarding.moment()
        kept = self.cache.keep(entry, lifetime, now)  # also if those who wait in Python have given up
        try:
            while waiter != NULL:
                if waiter.descriptor == NUMBERED:
                    self._forwarder.settled(waiter.number, <bytes>message[:size])
                else:
                    self._answer_waiter(waiter, entry, FROM_UPSTREAM, now)
                waiter = waiter.next
        finally:
            self.forwarding.flights.dismiss(flight)
            if not kept:
                free(entry)
        return 0

    cdef int _fail(self, Flight *flight, double now) except -1:
        """Answer those who wait for a flight with what has expired, else with SERVFAIL."""
        cdef Waiter *waiter = flight.first
        cdef Forwarding forwarding = self.forwarding
        cdef Entry *stale
        self.is_selftest = False
        now = forwarding.moment()
        stale = self.cache.find_stale(
            flight.hash, flight.key, flight.key_size, flight.qtype, flight.do_, flight.cd, now
        )
        try:
            while waiter != NULL:
                if waiter.descriptor == NUMBERED:
                    self._forwarder.failed(waiter.number, forwarding.said[:forwarding.said_size], forwarding.is_said)
                else:
                    self._answer_waiter(waiter, stale, STALE, now)
                waiter = waiter.next
        finally:
            forwarding.flights.dismiss(flight)
        return 0

    cdef _give_back(self, const Peer *peer, int descriptor, const uint8_t *packet, uint32_t size):
        """Have the pipeline answer a message; note it if that must wait."""
        host, address = address_of(peer)
        begun = self._pipeline.begin(<bytes>packet[:size], host, Transport.UDP)
        if begun is Outcome.SILENCE:
            return
        ancillary = ancillary_of(peer)
        if isinstance(begun, bytes):
            send(self._sockets[descriptor], begun, address, ancillary)
        else:
            self._deferred.append(Deferred(begun, address, ancillary, descriptor))

    cdef void _refresh(self, Entry *entry, double now) noexcept nogil:
        """Ask for an entry that is used often anew, for nobody, unless too many questions are in flight."""
        with gil:
            self._ask_anew(entry, now)

    cdef int _ask_anew(self, Entry *entry, double now) except -1:
        cdef Forwarding forwarding = self.forwarding
        if forwarding is None or not forwarding.is_started or forwarding.flights.count >= MAX_REFRESHES:
            return 0
        if self.cache.claims_refresh(entry, now) and forwarding.flights.find(
            entry.hash, entry.key, entry.key_size, entry.qtype, entry.do_, entry.cd
        ) == NULL and forwarding.ask(
            entry.hash, entry.key, entry.key_size, entry.qtype, entry.do_, entry.cd, monotonic()
        ) == ASKED_FLYING:
            self.row[_CACHE_REFRESHES_AT] += 1
        return 0
