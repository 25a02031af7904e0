# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""The engine in C: drains a UDP socket, answers ordinary questions in place, and gives back the rest.

It handles an ordinary question as `pipeline.py` does, with the same answers octet for octet: client networks, policy,
cache, forwarding. It declines everything else, which the pipeline answers. One thread uses it, without a lock.

It is one module, and longer than others may be: receiving, answering and sending a batch share its buffers, and a cut
between them would cost calls for each message.
"""

import math

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free
from libc.string cimport memcpy, memset

from blockd.metrics import counters as layout
from blockd.metrics import traffic as sketch
from blockd.metrics.counters import Transport
from blockd.resolver.engine.twin import Deferred, send
from blockd.resolver.query_context import Outcome
from blockd.resolver.records import error_option

from blockd.orders._numbers cimport ACTION_CNAME
from blockd.metrics._numbers cimport DEPTH, GAP_BITS, MAX_SUFFIXES, NOTED, TRANSPORT_UDP, WIDTH
from blockd.dns cimport _types as types
from blockd.resolver.engine._answering cimport (
    ANSWERED, DECLINED, FLOWN, FROM_CACHE, FROM_UPSTREAM, MISSED, SILENT, STALE, Answering, Passed, Result,
)
from blockd.resolver.engine._cache cimport Entry, NativeCache
from blockd.resolver.engine._message cimport Question, has_cookie_of, is_asked, read_question
from blockd.resolver._numbers cimport MAX_DATAGRAM, MAX_REFRESHES, SECRET, UNJUDGED_OPTION
from blockd.resolver.engine._outbox cimport CONTROL_SIZE, OUT_SIZE, Outbox, Peer
from blockd.resolver.engine._peers cimport address_into, address_of, ancillary_of
from blockd.resolver.engine._sockets cimport MSG_DONTWAIT, begun_second, monotonic, recvmmsg, sockaddr
from blockd.resolver.forwarding.native._flights cimport MAX_PACKET, MAX_WAITING, NUMBERED, Flight, Waiter
from blockd.resolver.forwarding.native._forwarding cimport ASKED_FAILED, ASKED_FLYING, ASKED_FULL, Asked, Forwarding
from blockd.ruleset._siphash cimport siphash13
from blockd.ruleset._parties cimport Decision, undecided

cdef enum:
    NO_ALIAS = 255  # no action's number
    TURNS = 4  # batches taken in one call, so that other sockets and timers get their turn
    BUSY = 12  # messages in a batch that suggest that more have arrived meanwhile

cdef double BUDGET = 0.003  # seconds that one call may take before it begins another batch
cdef bytes TOO_MANY = error_option(types.EDE_NETWORK_ERROR, "too many questions are waiting for upstreams")


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


cdef int _CACHE_REFRESHES_AT = layout._CACHE_REFRESHES


cdef class NativeEngine(Answering):
    """One worker's engine.

    `pipeline` answers what it declines; `service` and `instruments` are those of `options.py`. `begin` reads clocks.
    """

    def __init__(self, pipeline, NativeCache cache, service, instruments):
        Answering.__init__(self, service, instruments.row.numbers)
        self._pipeline = pipeline
        self._clock = instruments.clock
        self._wall_clock = instruments.wall_clock
        self._sockets = {}
        self._deferred = []
        self.cache = cache
        cache.note_size_in(instruments.row.numbers)
        self.outbox = Outbox()
        self.until_noted = -1  # never
        self.stale_after = math.inf
        traffic = instruments.traffic
        if traffic is not None:
            if len(traffic.cells) != sketch.ROW or sketch.ROW <= NOTED or len(traffic.key) != 16:
                raise ValueError("the cells are not those of a sketch")
            self.cells, self.until_noted = traffic.cells, 1
            self.sketch_k0 = int.from_bytes(traffic.key[:8], "little")
            self.sketch_k1 = int.from_bytes(traffic.key[8:], "little")
        cdef int i
        memset(self.in_headers, 0, sizeof(self.in_headers))
        for i in range(IN_BATCH):
            self.in_vectors[i].iov_base = self.in_buffers[i]
            self.in_vectors[i].iov_len = MAX_DATAGRAM
            self.in_headers[i].msg_hdr.msg_iov = &self.in_vectors[i]
            self.in_headers[i].msg_hdr.msg_iovlen = 1
            self.in_headers[i].msg_hdr.msg_name = &self.in_peers[i].address
            self.in_headers[i].msg_hdr.msg_control = self.in_peers[i].control

    def attach(self, sock):
        """Attach a bound UDP socket; return the descriptor to call `drain` with."""
        sock.setblocking(False)
        self._sockets[sock.fileno()] = sock
        return sock.fileno()

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
        cdef Flight *flight = before.flights.oldest
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
            flight = flight.newer
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

    def land(self, int upstream, bytes message):
        """Take a message that came over an upstream's stream; return what is given back."""
        self._deferred = []
        self.second = begun_second()
        self.forwarding.land(upstream, message)
        self.outbox.flush()
        return self._deferred

    def stream_failed(self, int upstream, ids, bytes why):
        """Take word that some questions will not be answered over a stream; return what is given back."""
        self._deferred = []
        self.second = begun_second()
        self.forwarding.stream_failed(upstream, ids, why)
        self.outbox.flush()
        return self._deferred

    def send(self, answer, deferred):
        """Send the answer to a message that was given back."""
        send(self._sockets[deferred.descriptor], answer, deferred.address, deferred.ancillary)

    def begin(self, bytes packet, str host, transport):
        """Answer one message as `Pipeline.begin` does; questions for upstreams are left to the pipeline."""
        cdef uint8_t small[OUT_SIZE]
        cdef Looked looked
        cdef uint32_t written = 0
        cdef Peer peer
        cdef Result result = DECLINED
        cdef const uint8_t *octets = <const uint8_t *><const char *>packet
        cdef uint32_t size = len(packet)
        cdef bytearray out
        if self.table is not None or not self.refuse_unready:
            address_into(&peer, host)
            self.second = math.ceil(self._wall_clock())
            self._look(&looked, octets, size, transport == Transport.UDP)
            if transport == Transport.UDP:
                result = self._handle(&looked, octets, size, &peer, -1, small, &written, self._clock())
                if result == ANSWERED:
                    return small[:written]
            else:
                out = bytearray(types.MAX_TCP)
                result = self._handle(
                    &looked, octets, size, &peer, -2 - <int>transport, <uint8_t *><char *>out, &written, self._clock()
                )
                if result == ANSWERED:
                    return bytes(out[:written])
            if result == SILENT:
                return Outcome.SILENCE
        return self._pipeline.begin(packet, host, transport)

    def drain(self, int descriptor):
        """Answer a few batches of a socket's messages in place; give back those that are not ordinary."""
        cdef int _turn
        cdef double begun = 0
        self._deferred = []
        for _turn in range(TURNS):
            if self._drain_batch(descriptor, &begun) < BUSY:
                break
        return self._deferred

    cdef int _drain_batch(self, int descriptor, double *begun) except -1:
        """Answer at most one batch of a socket's messages; return how many there were, 0 if the time is over.

        `begun` is when the first batch was, 0 before.
        """
        cdef int i, count, first, last
        cdef uint32_t written
        cdef double now
        cdef uint8_t *out
        cdef Result result
        for i in range(IN_BATCH):
            self.in_headers[i].msg_hdr.msg_namelen = sizeof(self.in_peers[i].address)
            self.in_headers[i].msg_hdr.msg_controllen = CONTROL_SIZE
        count = recvmmsg(descriptor, self.in_headers, IN_BATCH, MSG_DONTWAIT, NULL)
        if count <= 0:
            return 0
        now = monotonic()
        if begun[0] == 0:
            begun[0] = now
        self.second = begun_second()
        for first in range(0, count, AHEAD):
            last = first + AHEAD if first + AHEAD < count else count
            self._look_ahead(first, last)
            for i in range(first, last):
                self.in_peers[i].address_size = self.in_headers[i].msg_hdr.msg_namelen
                self.in_peers[i].control_size = <uint32_t>self.in_headers[i].msg_hdr.msg_controllen
                out = self.outbox.room(descriptor)
                result = self._handle(
                    &self.ahead[i - first], self.in_buffers[i], self.in_headers[i].msg_len, &self.in_peers[i],
                    descriptor, out, &written, now,
                )
                if result == MISSED:
                    result = self._ask(
                        &self.ahead[i - first], self.in_buffers[i], self.in_headers[i].msg_len, &self.in_peers[i],
                        descriptor, &written, now,
                    )
                if result == DECLINED:
                    self._give_back(&self.in_peers[i], descriptor, self.in_buffers[i], self.in_headers[i].msg_len)
                elif written:
                    self.outbox.put(&self.in_peers[i], written)
        if self.forwarding is not None and self.forwarding.ports.refused_count:
            self.forwarding.give_up_refused(now)
        self.outbox.flush()
        return count if now < begun[0] + BUDGET else 0

    cdef void _look_ahead(self, int first, int last) noexcept nogil:
        """Parse some of the messages read, and prefetch the memory that their answers need, all at once."""
        cdef Looked *looked
        cdef int i
        for i in range(first, last):
            self._look(&self.ahead[i - first], self.in_buffers[i], self.in_headers[i].msg_len, True)
        if self.table is not None:
            for i in range(first, last):
                looked = &self.ahead[i - first]
                if looked.ordinary and self.table.approach(looked.hashes, looked.suffixes):
                    looked.likely_listed = True
        for i in range(first, last):
            looked = &self.ahead[i - first]
            if looked.ordinary and not looked.likely_listed:
                self._hash_question(looked)
                self.cache.call_bucket(looked.hashed)
        for i in range(first, last):
            looked = &self.ahead[i - first]
            if looked.has_hash:
                self.cache.call_entry(looked.hashed)

    cdef bint _look(self, Looked *looked, const uint8_t *packet, uint32_t size, bint over_udp) noexcept nogil:
        """Parse a message; return whether it is an ordinary question."""
        cdef Question *q = &looked.question
        looked.likely_listed = looked.has_hash = False
        looked.suffixes = 0
        looked.ordinary = read_question(packet, size, over_udp, q)
        if looked.ordinary and self.table is not None:
            looked.suffixes = self.table.hash_suffixes(q.key, q.ends, q.labels, looked.hashes)
        return looked.ordinary

    cdef void _hash_question(self, Looked *looked) noexcept nogil:
        cdef Question *q = &looked.question
        if not looked.has_hash:
            looked.hashed = self.cache.hash_of(q.key, q.key_size, q.qtype, q.do_, (q.flags & types.CD) != 0)
            looked.has_hash = True

    def drain_upstreams(self):
        """Take what upstreams sent and go on with what is due; return what is given back of those who wait."""
        self._deferred = []
        self.second = begun_second()
        self.is_selftest = False  # none waits here: a lookup asks over TCP, which the pipeline forwards
        self.forwarding.drain(monotonic())
        self.outbox.flush()
        return self._deferred

    cdef Result _ask(
        self, Looked *looked, const uint8_t *packet, uint32_t size, const Peer *peer, int descriptor,
        uint32_t *written, double now,
    ) except? DECLINED:
        """Have a client wait for upstreams.

        If it is known already that they fail, or take long, answer so, or with what has expired, into the outbox's room.
        """
        cdef Question *q = &looked.question
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
            asked = forwarding.ask(looked.hashed, q.key, q.key_size, q.qtype, q.do_, cd, now)
            self.is_selftest = is_selftest  # another flight may have ended for this one
        if self.cache.stale > 0:
            stale = self.cache.find_stale(looked.hashed, q.key, q.key_size, q.qtype, q.do_, cd, now)
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

    cdef void _note(self, const Question *q) noexcept nogil:
        """Count a question in the sketch as `TrafficRow.pass_by` does, which returns when the next one is due."""
        cdef uint64_t hashed = 0
        cdef int label, row
        for label in range(q.labels if q.labels < MAX_SUFFIXES else MAX_SUFFIXES):
            hashed = siphash13(self.sketch_k0, self.sketch_k1, q.key, q.ends[label])
            for row in range(DEPTH):
                self.cells[row * WIDTH + ((hashed >> 16 * row) & (WIDTH - 1))] += 1
        self.cells[NOTED] += 1
        self.until_noted = 1 + <int>(hashed >> 64 - GAP_BITS)

    cdef Result _handle(
        self, Looked *looked, const uint8_t *packet, uint32_t size, const Peer *peer, int descriptor, uint8_t *out,
        uint32_t *written, double now,
    ) noexcept nogil:
        """Answer a parsed message into `out`; `descriptor` is its socket, or below 0 if it may not be forwarded.

        -2 - transport stands for a message that came over a stream.
        """
        cdef Question *q = &looked.question
        cdef Decision name = undecided()
        cdef Result result
        cdef Passed passed
        cdef Entry *entry
        cdef bint cd
        cdef int transport = TRANSPORT_UDP if descriptor >= -1 else -2 - descriptor
        written[0] = 0
        self.is_selftest = self._is_selftest(packet, size)
        if not looked.ordinary or not (self.is_selftest or self._serves(<const sockaddr *>&peer.address)):
            return DECLINED
        if self.is_selftest and _is_unjudged(packet, size):
            return DECLINED
        if q.options_size and has_cookie_of(q, self.own, self.own_count):
            return DECLINED
        if q.qclass != types.CLASS_IN or not is_asked(q.qtype):
            return DECLINED
        if self.until_noted > 0 and not self.is_selftest:
            self.until_noted -= 1
            if self.until_noted == 0:
                self._note(q)
        if self.table is not None:
            name = self.table.decide_hashed(q.key, q.key_size, q.ends, q.labels, looked.hashes, looked.suffixes)
        self.alias.action = NO_ALIAS
        if self._is_decided(
            q, <const sockaddr *>&peer.address, name, transport, out, written, &result, &passed
        ):
            if self.alias.action == ACTION_CNAME:
                result = self._alias(self.cache, q, transport, out, written, now)
            return result
        if not q.flags & types.RD:
            return DECLINED
        cd = (q.flags & types.CD) != 0
        self._hash_question(looked)
        entry = self.cache.find(looked.hashed, q.key, q.key_size, q.qtype, q.do_, cd, now)
        if entry != NULL:
            if now >= entry.refresh_at and not self.is_selftest:
                self._refresh(entry, now)
            return self._from_entry(q, entry, transport, &passed, FROM_CACHE, out, written, now)
        if self._is_local(q, transport, &passed, out, written, &result):
            return result
        return MISSED if descriptor >= 0 else DECLINED


cdef bint _is_unjudged(const uint8_t *packet, uint32_t size) noexcept nogil:
    """Return whether a self-test's question asks for the upstreams' answer, which the pipeline gives."""
    cdef const uint8_t *option = packet + size - SECRET - 4
    return size > SECRET + 4 and (option[0] << 8 | option[1]) == UNJUDGED_OPTION
