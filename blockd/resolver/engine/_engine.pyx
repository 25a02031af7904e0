# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""The engine in C: drains a UDP socket, answers ordinary questions in place, and gives back the rest.

It handles an ordinary question as `pipeline.py` does, with the same answers octet for octet: client networks, policy,
cache, forwarding. It declines everything else, which the pipeline answers. One thread uses it, without a lock.

It is one module, and longer than others may be: receiving, answering and sending a batch share its buffers, and a cut
between them would cost calls for each message.
"""

import math

from libc.errno cimport EAGAIN, errno
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free
from libc.string cimport memset

from blockd.metrics import counters as layout
from blockd.metrics import traffic as sketch
from blockd.metrics.counters import Transport
from blockd.resolver.engine.twin import Deferred, send
from blockd.resolver.query_context import Outcome

from blockd.orders._numbers cimport ACTION_CNAME
from blockd.metrics._numbers cimport DEPTH, GAP_BITS, MAX_SUFFIXES, NOTED, TRANSPORT_UDP, WIDTH
from blockd.dns cimport _types as types
from blockd.resolver.engine._answering cimport ANSWERED, DECLINED, FLOWN, FROM_CACHE, FROM_UPSTREAM, SILENT, Answering, Passed, Result
from blockd.resolver.engine._cache cimport Entry, NativeCache
from blockd.resolver.engine._flights cimport MAX_PACKET, MAX_WAITING, Flight, Flights, Waiter
from blockd.resolver.engine._message cimport Question, is_asked, read_question
from blockd.resolver._numbers cimport MAX_DATAGRAM, MAX_REFRESHES, MAX_STRAYS, SECRET, UNJUDGED_OPTION
from blockd.resolver.engine._outbox cimport CONTROL_SIZE, OUT_SIZE, Outbox, Peer
from blockd.resolver.engine._peers cimport address_into, address_of, ancillary_of
from blockd.resolver.engine._reading cimport Reading, read_response
from blockd.resolver.engine._sockets cimport (
    MSG_DONTWAIT, begun_second, epoll_event, epoll_wait, monotonic, recv, recvmmsg, sockaddr,
)
from blockd.ruleset._siphash cimport siphash13
from blockd.ruleset._parties cimport Decision, undecided

cdef enum:
    NO_ALIAS = 255  # no action's number
    TURNS = 4  # batches taken in one call, so that other sockets and timers get their turn
    BUSY = 12  # messages in a batch that suggest that more have arrived meanwhile
    READY = 64  # upstream sockets read in one call
    PER_SOCKET = 32  # messages read from one of them

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
        self.flights = Flights()
        self.outbox = Outbox()
        self.epoll = -1
        self.until_noted = -1  # never
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

    def use_upstream(self, int epoll, descriptors):
        """Ask through these connected UDP sockets, which `epoll` watches, each with its index in the list as data."""
        self.epoll = epoll
        self.flights.use(descriptors)

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
        self._deferred = []
        for _turn in range(TURNS):
            if self._drain_batch(descriptor) < BUSY:
                break
        return self._deferred

    cdef int _drain_batch(self, int descriptor) except -1:
        """Answer at most one batch of a socket's messages; return how many there were."""
        cdef int i, count, first, last
        cdef uint32_t written
        cdef double now
        cdef uint8_t *out
        for i in range(IN_BATCH):
            self.in_headers[i].msg_hdr.msg_namelen = sizeof(self.in_peers[i].address)
            self.in_headers[i].msg_hdr.msg_controllen = CONTROL_SIZE
        count = recvmmsg(descriptor, self.in_headers, IN_BATCH, MSG_DONTWAIT, NULL)
        if count <= 0:
            return 0
        now = monotonic()
        self.second = begun_second()
        for first in range(0, count, AHEAD):
            last = first + AHEAD if first + AHEAD < count else count
            self._look_ahead(first, last)
            for i in range(first, last):
                self.in_peers[i].address_size = self.in_headers[i].msg_hdr.msg_namelen
                self.in_peers[i].control_size = <uint32_t>self.in_headers[i].msg_hdr.msg_controllen
                out = self.outbox.room(descriptor)
                if self._handle(
                    &self.ahead[i - first], self.in_buffers[i], self.in_headers[i].msg_len, &self.in_peers[i],
                    descriptor, out, &written, now,
                ) == DECLINED:
                    self._give_back(&self.in_peers[i], descriptor, self.in_buffers[i], self.in_headers[i].msg_len)
                elif written:
                    self.outbox.put(&self.in_peers[i], written)
        self.outbox.flush()
        if self.flights.any_refused:
            self._give_up_refused()
        return count

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
        """Read upstreams' responses and answer the clients that wait for them; give back those not answered by them."""
        cdef epoll_event events[READY]
        cdef int ready, i, _taken, index
        cdef ssize_t size
        cdef Flight *flight
        cdef uint8_t *message = self.in_buffers[0]
        cdef double now
        self._deferred = []
        ready = epoll_wait(self.epoll, events, READY, 0)
        if ready <= 0:
            return self._deferred
        now = monotonic()
        self.second = begun_second()
        for i in range(ready):
            index = self._place_of(events[i].data.fd)
            if index < 0:
                continue
            for _taken in range(PER_SOCKET):
                size = recv(self.flights.descriptors[index], message, MAX_DATAGRAM * IN_BATCH, MSG_DONTWAIT)
                if size < 0:
                    if not _would_block():
                        self.unreachable += 1
                        self._give_up_socket(index)
                    break
                flight = self.flights.landed(index, message, <uint32_t>size)
                if flight != NULL:
                    self._land(flight, message, <uint32_t>size, now)
                elif self.flights.strays[index] > MAX_STRAYS:
                    self._give_up_socket(index)
        self.outbox.flush()
        return self._deferred

    cdef int _place_of(self, int descriptor) noexcept nogil:
        """Return the index of an upstream socket, -1 if it is no longer one."""
        cdef int i
        for i in range(self.flights.sockets):
            if self.flights.descriptors[i] == descriptor:
                return i
        return -1

    def give_up_before(self, double sent):
        """Hand back all messages whose flights were sent before a moment of the monotonic clock."""
        self._deferred = []
        while self.flights.soonest != NULL and self.flights.soonest.sent < sent:
            self._give_up(self.flights.soonest)
        return self._deferred

    cdef _land(self, Flight *flight, const uint8_t *message, uint32_t size, double now):
        """Keep an upstream's response and answer the clients that wait for it."""
        cdef Reading reading
        cdef Entry *entry = read_response(
            message, size, flight.question_size, flight.key, flight.key_size, flight.do_, &reading
        )
        cdef Waiter *waiter
        cdef Question q
        cdef uint8_t *out
        cdef uint32_t written
        cdef bint kept
        if entry == NULL:
            self._give_up(flight)
            return
        entry.hash = flight.hash
        entry.qtype, entry.do_, entry.cd = flight.qtype, flight.do_, flight.cd
        self.heard = now
        self.is_selftest = False  # none waits here: a lookup asks over TCP, which the pipeline forwards
        self._took(now - flight.sent)
        kept = self.cache.keep(entry, reading.lifetime, now)
        waiter = flight.first
        try:
            while waiter != NULL:
                out = self.outbox.room(waiter.descriptor)
                written = 0
                if not read_question(waiter.packet, waiter.size, True, &q) or self._late_answer(
                    &q, entry, <const sockaddr *>&waiter.peer.address, FROM_UPSTREAM, out, &written, now
                ) == DECLINED:
                    self._give_back(&waiter.peer, waiter.descriptor, waiter.packet, waiter.size)
                elif written:
                    self.outbox.put(&waiter.peer, written)
                waiter = waiter.next
        finally:
            self.flights.release(flight)
            if not kept:
                free(entry)

    cdef _give_up(self, Flight *flight):
        """Hand back all messages that wait for a flight, and end it."""
        cdef Waiter *waiter = flight.first
        try:
            while waiter != NULL:
                self._give_back(&waiter.peer, waiter.descriptor, waiter.packet, waiter.size)
                waiter = waiter.next
        finally:
            self.flights.release(flight)

    cdef _give_up_refused(self):
        """Abandon the sockets whose upstream the network reported as unreachable when something was sent."""
        cdef int index
        self.flights.any_refused = False
        for index in range(self.flights.sockets):
            if self.flights.refused[index]:
                self.flights.refused[index] = False
                self.unreachable += 1
                self._give_up_socket(index)

    cdef _give_up_socket(self, int index):
        """Hand back all messages whose flights were sent through a socket."""
        cdef Flight *flight = self.flights.soonest
        cdef Flight *after
        while flight != NULL:
            after = flight.later
            if flight.socket == index:
                self._give_up(flight)
            flight = after

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
        if self.flights.count >= MAX_REFRESHES or not self.cache.claims_refresh(entry, now):
            return
        if self.flights.find(entry.hash, entry.key, entry.key_size, entry.qtype, entry.do_, entry.cd) != NULL:
            return
        if self.flights.launch(
            entry.hash, entry.key, entry.key_size, entry.qtype, entry.do_, entry.cd, now
        ) != NULL:
            self.row[_CACHE_REFRESHES_AT] += 1

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
        cdef Flight *flight
        cdef bint cd
        cdef int transport = TRANSPORT_UDP if descriptor >= -1 else -2 - descriptor
        written[0] = 0
        self.is_selftest = self._is_selftest(packet, size)
        if not looked.ordinary or not (self.is_selftest or self._serves(<const sockaddr *>&peer.address)):
            return DECLINED
        if self.is_selftest and _is_unjudged(packet, size):
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
        if descriptor < 0 or size > MAX_PACKET or self.flights.waiting >= MAX_WAITING:
            return DECLINED  # before launching a flight that nothing could wait for
        flight = self.flights.find(looked.hashed, q.key, q.key_size, q.qtype, q.do_, cd)
        if flight == NULL:
            flight = self.flights.launch(looked.hashed, q.key, q.key_size, q.qtype, q.do_, cd, now)
            if flight == NULL:
                return DECLINED
        if not self.flights.join(flight, peer, descriptor, packet, size):
            if flight.waiters == 0:
                self.flights.release(flight)
            return DECLINED
        return FLOWN


cdef bint _is_unjudged(const uint8_t *packet, uint32_t size) noexcept nogil:
    """Return whether a self-test's question asks for the upstreams' answer, which the pipeline gives."""
    cdef const uint8_t *option = packet + size - SECRET - 4
    return size > SECRET + 4 and (option[0] << 8 | option[1]) == UNJUDGED_OPTION


cdef bint _would_block() noexcept nogil:
    return errno == EAGAIN
