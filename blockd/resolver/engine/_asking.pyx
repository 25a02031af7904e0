# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Upstreams asked for the engine: questions that the cache does not answer, and what becomes of those who wait.

It is one module, and longer than others may be: whoever asks, and whatever ends a flight, goes by the same flights.
"""

import math

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free
from libc.string cimport memcpy

from blockd.metrics import counters as layout
from blockd.resolver.engine.twin import send
from blockd.resolver.records import error_option
from blockd.resolver.waiting import TOO_MANY as TOO_MANY_TEXT

from blockd.dns cimport _types as types
from blockd.resolver.engine._answering cimport DECLINED, FLOWN, FROM_UPSTREAM, STALE, Result
from blockd.resolver.engine._cache cimport Entry, NativeCache
from blockd.resolver.engine._clients cimport asker_of
from blockd.resolver.engine._message cimport Question
from blockd.resolver._numbers cimport MAX_REFRESHES
from blockd.resolver.engine._outbox cimport Peer, client_of
from blockd.resolver.engine._telling cimport transport_of
from blockd.resolver.engine._sockets cimport begun_second, monotonic, sockaddr
from blockd.resolver.forwarding.native._failures cimport Failure
from blockd.resolver.forwarding.native._flights cimport MAX_PACKET, MAX_WAITING, NUMBERED, Asker, Flight, Flights, Waiter
from blockd.resolver.forwarding.native._forwarding cimport ASKED_FAILED, ASKED_FLYING, ASKED_FULL, Asked, Forwarding

cdef bytes TOO_MANY = error_option(types.EDE_NETWORK_ERROR, TOO_MANY_TEXT)
cdef double TURN_BUDGET = 0.003  # seconds
cdef Asker _NOBODY
_NOBODY.size = 0
cdef int _CACHE_REFRESHES_AT = layout._CACHE_REFRESHES


cdef class EngineForwarding(Forwarding):
    """The engine's questions to upstreams; what comes of them answers those who wait in the engine."""

    cdef int settle(
        self, Flight *flight, Entry *entry, uint32_t lifetime, const uint8_t *message, uint32_t size, double now
    ) except -1:
        return self.engine._land(flight, entry, lifetime, message, size, now)

    cdef int settle_failed(self, Flight *flight, double now) except -1:
        return self.engine._fail(self.flights, flight, now)

    cdef int answer_stale(self, Flight *flight, double now) except -1:
        return self.engine._give_stale(flight, now)

    cdef int probe_answered(self, int upstream, double now, double seconds, bint resolves) except -1:
        self.engine._forwarder.probe_answered(upstream, now, seconds, resolves)
        return 0

    cdef int probe_failed(self, int upstream, double now) except -1:
        self.engine._forwarder.probe_failed(upstream, now)
        return 0


cdef class Asking(Telling):
    """Asks upstreams for those who wait, in C or in Python; the rest goes to `pipeline`."""

    def __init__(self, pipeline, NativeCache cache, service, instruments):
        Telling.__init__(self, pipeline, service, instruments.row.numbers)
        self._clock = instruments.clock
        self.cache = cache
        cache.note_size_in(instruments.row.numbers)
        self.stale_after = math.inf
        self.turn_budget = TURN_BUDGET
        self.leaving = []

    def forward(self, upstreams, groups, options, forwarder):
        """Ask these upstreams from now on (see `Forwarding`); return what is given back of those who wait.

        What somebody waits for is asked anew. `forwarder` asks over streams, and gets what comes of questions with a
        number, and of probes.
        """
        cdef Forwarding before = self.forwarding
        cdef EngineForwarding forwarding
        self._deferred = []
        self._forwarder = forwarder
        forwarding = EngineForwarding(self, upstreams, groups, options, forwarder.ask_stream, self._clock)
        forwarding.engine = self
        for place, (label, _, _) in enumerate(upstreams):
            forwarding.remotes[<int>place].source = self.cache.source_of(label)
        self.forwarding = forwarding
        if before is not None:
            self.forwarding.is_started = before.is_started
            self.owing += before.flights.waiting
            self.leaving.append(before)
        self.second = begun_second()
        self._begin_turn(False)
        self._go_on(monotonic())
        self._end_turn()
        return self._deferred

    @property
    def is_behind(self):
        """Whether something is left for the next turns of the event loop (`drain_upstreams`)."""
        return self.owed != NULL or len(self.leaving) > 0 or self.unread > 0 or self.forwarding.is_awake

    cdef int _begin_turn(self, bint is_first) except -1:
        """Begin a turn of the event loop; one call of several in it does not, if somebody is left without an answer."""
        if is_first or self.owed == NULL:
            self.forwarding.turn_ends = monotonic() + self.turn_budget
        return 0

    cdef int _go_on(self, double now) except -1:
        """Go on with what earlier turns had no time for."""
        self._pay()
        self._work_off()
        if self.owed == NULL and self.leaving:
            self._carry_over(now)
        return 0

    cdef int _end_turn(self) except -1:
        """Send what was answered, and have what is left gone on with in the next turn."""
        self.outbox.flush()
        if self.owed != NULL or self.leaving or self.unread:
            self.forwarding.go_on_soon()
        return 0

    cdef int _begin_others(self) except -1:
        """Begin to ask for one who is not answered here: flights of others may end for it."""
        self._deferred = []
        self._begin_turn(False)
        return 0

    cdef int _end_others(self) except -1:
        """Send what others were answered, and give back to the pipeline what it is to answer of them."""
        self._end_turn()
        if self._deferred:
            self._forwarder.take_back(self._deferred)
        return 0

    cdef int _work_off(self) except -1:
        """Go on with the messages of clients that were read; a subclass reads them."""
        return 0

    cdef int _carry_over(self, double now) except -1:
        """Ask the questions that somebody waits for of others, in this turn or the next ones, then close the ports."""
        cdef Forwarding before
        cdef int place
        while self.leaving:
            before = <Forwarding>self.leaving[0]
            while before.flights.ages.oldest != NULL:
                self._carry_one(before.flights, <Flight *>before.flights.ages.oldest, now)
                if self.forwarding.is_over():
                    return 0
            while before.flights.late_ages.oldest != NULL:
                before.flights.release(<Flight *>before.flights.late_ages.oldest)
                if self.forwarding.is_over():
                    return 0
            for place in range(before.ports.count):
                if before.ports.ports[place].descriptor >= 0:
                    before.ports.shut(place)
                    if self.forwarding.is_over():
                        return 0
            del self.leaving[0]
        return 0

    cdef int _carry_one(self, Flights flights, Flight *flight, double now) except -1:
        """Ask a question again for those who wait for it; if that fails at once, they are answered with it."""
        cdef Forwarding forwarding = self.forwarding
        cdef int count = flight.waiters
        cdef Flight *found
        cdef Asked asked
        forwarding.end_doubt(flight)
        self.owing -= count
        if count:
            asked = forwarding.ask(
                flight.hash, flight.key, flight.key_size, flight.qtype, flight.do_, flight.cd, &flight.asker, now
            )
            if asked == ASKED_FLYING:
                found = forwarding.found
                if found.last != NULL:
                    found.last.next = flight.first
                else:
                    found.first = flight.first
                found.last = flight.last
                found.waiters += count
                forwarding.flights.waiting += count
                flights.waiting -= count
                flight.first = flight.last = NULL
                flight.waiters = 0
            else:
                if asked != ASKED_FAILED:
                    forwarding.is_said = False
                    forwarding.said_size = len(TOO_MANY)
                    memcpy(forwarding.said, <const char *>TOO_MANY, len(TOO_MANY))
                self._fail(flights, flight, now)
        flights.release(flight)
        return 0

    def stop_forwarding(self):
        """Answer all who wait for upstreams, and close the sockets to these; return what is given back."""
        self._deferred = []
        self.second = begun_second()
        self.forwarding.is_started = False  # no turn follows
        self._go_on(monotonic())
        self.forwarding.stop()
        self.outbox.flush()
        return self._deferred

    def resolve(self, bytes key, int qtype, bint do_, bint cd, uint64_t number, bytes asker):
        """Ask a question for `asker`, see `Floods`; what comes of it is told to the forwarder with `number`.

        Return None, or the EDE options of a failure that is known already, and whether an upstream said so.
        """
        cdef const uint8_t *octets = <const uint8_t *><const char *>key
        cdef double now = monotonic()
        cdef Forwarding forwarding = self.forwarding
        cdef Asked asked
        cdef Asker by
        by.size = min(<uint8_t>len(asker), <uint8_t>sizeof(by.octets))
        memcpy(by.octets, <const char *>asker, by.size)
        self.second = begun_second()
        self._begin_others()
        asked = forwarding.ask(
            self.cache.hash_of(octets, len(key), qtype, do_, cd), octets, len(key), qtype, do_, cd, &by, now
        )
        self._end_others()
        if asked == ASKED_FAILED:
            return forwarding.said[:forwarding.said_size], forwarding.is_said
        if asked != ASKED_FLYING or not forwarding.flights.join(forwarding.found, NULL, NUMBERED, NULL, 0, number, 0):
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
        self._begin_turn(False)
        self.forwarding.land(upstream, message)
        self._end_turn()
        return self._deferred

    def stream_failed(self, int upstream, ids, int kind, bytes why):
        """Take word that some questions will not be answered over a stream; return what is given back."""
        self._deferred = []
        self.second = begun_second()
        self._begin_turn(False)
        self.forwarding.stream_failed(upstream, ids, kind, why)
        self._end_turn()
        return self._deferred

    def send(self, answer, deferred):
        """Send the answer to a message that was given back."""
        send(self._sockets[deferred.descriptor], answer, deferred.address, deferred.ancillary)

    def drain_upstreams(self):
        """Take what upstreams sent and go on with what is due; return what is given back of those who wait."""
        self._deferred = []
        self.second = begun_second()
        self.is_selftest = False  # none waits here: a lookup asks over TCP, which the pipeline forwards
        self._begin_turn(True)
        self._go_on(monotonic())
        self.forwarding.drain(monotonic())
        self._end_turn()
        return self._deferred

    cdef bint _can_wait(self, uint32_t size) noexcept nogil:
        """Return whether a message of so many octets may wait in the engine; else the pipeline has it wait."""
        return self.forwarding is not None and self.forwarding.is_started and size <= MAX_PACKET

    cdef Result _ask(
        self, const Question *q, uint64_t hashed, const uint8_t *packet, uint32_t size, const Peer *peer, int descriptor,
        uint64_t number, uint32_t *written, double now, double moment,
    ) except? DECLINED:
        """Have a client wait for upstreams; one over a stream has a `number`, which is 0 if there is no place for it.

        If it is known already that they fail, or take long, answer so, or with what has expired, into `_room`. `moment`
        is that of the cache's clock.
        """
        cdef const sockaddr *client = client_of(peer)
        cdef Forwarding forwarding = self.forwarding
        cdef bint cd = (q.flags & types.CD) != 0
        cdef const uint8_t *said = <const uint8_t *><const char *>TOO_MANY
        cdef uint32_t said_size = <uint32_t>len(TOO_MANY)
        cdef Asked asked = ASKED_FULL
        cdef Entry *stale = NULL
        cdef Flight *flight
        cdef Asker by
        cdef bint is_selftest = self.is_selftest
        cdef uint32_t keepalive = self.keepalive
        cdef int transport = transport_of(descriptor)
        if not self._can_wait(size):
            return DECLINED
        if (descriptor >= 0 or number) and forwarding.flights.waiting + self.owing < MAX_WAITING:
            by = asker_of(client)
            asked = forwarding.ask(hashed, q.key, q.key_size, q.qtype, q.do_, cd, &by, now)
            self.is_selftest = is_selftest  # another flight may have ended for this one
        if self.cache.stale > 0:
            stale = self.cache.find_stale(hashed, q.key, q.key_size, q.qtype, q.do_, cd, moment)
        if asked == ASKED_FLYING:
            flight = forwarding.found
            if stale == NULL or now < flight.started + self.stale_after:
                if forwarding.flights.join(flight, peer, descriptor, packet, size, number, keepalive):
                    if stale != NULL and flight.stale_at > flight.started + self.stale_after:
                        flight.stale_at = flight.started + self.stale_after
                        forwarding.flights.plan(flight, min(flight.due, flight.stale_at))
                    return FLOWN
        elif asked == ASKED_FAILED:
            said, said_size = forwarding.said, forwarding.said_size
        if stale != NULL:
            return self._late_answer(q, stale, client, transport, STALE, self._room(descriptor), written, moment)
        return self._late_failure(q, client, transport, said, said_size, self._room(descriptor), written)

    cdef bint _part_from(self, Flight *flight, uint64_t number) noexcept nogil:
        """Take the waiter over a stream with this number out of a flight, and free it; False if it has none."""
        cdef Waiter *waiter = flight.first
        cdef Waiter *before = NULL
        while waiter != NULL and (waiter.descriptor >= NUMBERED or waiter.number != number):
            before, waiter = waiter, waiter.next
        if waiter == NULL:
            return False
        if before != NULL:
            before.next = waiter.next
        else:
            flight.first = waiter.next
        if flight.last == waiter:
            flight.last = before
        flight.waiters -= 1
        self.forwarding.flights.waiting -= 1
        self.forwarding.flights.free_waiter(waiter)
        return True

    cdef int _give_stale(self, Flight *flight, double now) except -1:
        """Answer those who wait in C for a flight that takes long with what has expired; the others go on waiting."""
        cdef Waiter **place = &flight.first
        cdef Waiter *waiter
        cdef Waiter *before = NULL
        cdef Entry *stale
        cdef double due = now
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
            if self.forwarding.is_over():
                flight.stale_at = due  # the others in the next turn
                break
        return 0

    cdef int _land(
        self, Flight *flight, Entry *entry, uint32_t lifetime, const uint8_t *message, uint32_t size, double now
    ) except -1:
        """Keep an upstream's response and answer those who wait for it."""
        cdef bint kept = False
        entry.hash = flight.hash
        entry.qtype, entry.do_, entry.cd = flight.qtype, flight.do_, flight.cd
        self.is_selftest = False
        if self.forwarding._clock is not None:
            now = self.forwarding.moment()
        kept = self.cache.keep(entry, lifetime, now)  # also if those who wait in Python have given up
        try:
            self._tell_all(self.forwarding.flights, flight, entry, FROM_UPSTREAM, message, size, now)
        finally:
            if not kept:
                free(entry)
        return 0

    cdef int _fail(self, Flights flights, Flight *flight, double now) except -1:
        """Answer those who wait for a flight with what has expired, else with SERVFAIL."""
        cdef Entry *stale
        self.is_selftest = False
        now = self.forwarding.moment()
        stale = self.cache.find_stale(
            flight.hash, flight.key, flight.key_size, flight.qtype, flight.do_, flight.cd, now
        )
        return self._tell_all(flights, flight, stale, STALE, NULL, 0, now)

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
            entry.hash, entry.key, entry.key_size, entry.qtype, entry.do_, entry.cd, &_NOBODY, monotonic()
        ) == ASKED_FLYING:
            self.row[_CACHE_REFRESHES_AT] += 1
        return 0
