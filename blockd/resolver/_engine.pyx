# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""The engine in C: drains a UDP socket, answers in place what it understands, and gives back the rest.

It does what `pipeline.py` does with an ordinary question, with the same answers octet for octet: client networks,
policy, cache, forwarding. Everything else it declines, and the pipeline answers. One thread uses it, without a lock.
"""

from libc.errno cimport EAGAIN, errno
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free
from libc.string cimport memcpy, memset

from blockd.metrics.counters import Transport
from blockd.resolver.engine import Declined, send
from blockd.resolver.pipeline import Outcome

from blockd.resolver._answering cimport ANSWERED, DECLINED, FLOWN, SILENT, UDP, Answering, Result
from blockd.resolver._cache cimport Entry, NativeCache, new_entry
from blockd.resolver._flights cimport MAX_PACKET, MAX_STRAYS, MAX_WAITING, Flight, Flights, Waiter
from blockd.resolver._message cimport HEADER_SIZE, MAX_TCP, Question, read_question
from blockd.resolver._outbox cimport CONTROL_SIZE, OUT_SIZE, Outbox, Peer
from blockd.resolver._peers cimport address_into, address_of, ancillary_of
from blockd.resolver._reading cimport read_response
from blockd.resolver._sockets cimport (
    MSG_DONTWAIT, epoll_event, epoll_wait, monotonic, msghdr, recv, recvmmsg, sockaddr,
)
from blockd.ruleset._table cimport RULED_ALLOWED, RULED_BROKEN, RULED_LISTED, RULED_NONE, Decision

cdef enum:
    TYPE_OPT = 41
    TYPE_IXFR = 251
    TYPE_AXFR = 252
    CLASS_IN = 1
    FLAG_RD = 0x0100
    FLAG_CD = 0x0010
    READY = 64  # upstream sockets looked at in one call
    PER_SOCKET = 32  # messages taken from one of them


cdef class NativeEngine(Answering):
    """One worker's engine.

    `networks` are those served; `row` the worker's counters as 64-bit numbers; `clock` the monotonic clock, which `begin`
    asks. `pipeline` answers what is declined.
    """

    def __init__(self, pipeline, networks, row, NativeCache cache, clock, bint refuse_unready):
        Answering.__init__(self, networks, row)
        self._pipeline = pipeline
        self._clock = clock
        self._sockets = {}
        self._declined = []
        self.cache = cache
        self.flights = Flights()
        self.outbox = Outbox()
        self.refuse_unready = refuse_unready
        self.epoll = -1
        cdef int i
        memset(self.in_headers, 0, sizeof(self.in_headers))
        for i in range(IN_BATCH):
            self.in_vectors[i].iov_base = self.in_buffers[i]
            self.in_vectors[i].iov_len = IN_SIZE
            self.in_headers[i].msg_hdr.msg_iov = &self.in_vectors[i]
            self.in_headers[i].msg_hdr.msg_iovlen = 1
            self.in_headers[i].msg_hdr.msg_name = &self.in_peers[i].address
            self.in_headers[i].msg_hdr.msg_control = self.in_peers[i].control

    def attach(self, sock):
        """Take a bound UDP socket; give the descriptor to call `drain` with."""
        sock.setblocking(False)
        self._sockets[sock.fileno()] = sock
        return sock.fileno()

    def use_upstream(self, int epoll, descriptors):
        """Ask through these connected UDP sockets, which `epoll` watches, each with its place in the list as data."""
        self.epoll = epoll
        self.flights.use(descriptors)

    def send(self, answer, declined):
        """Send the answer to a message that was given back."""
        send(self._sockets[declined.descriptor], answer, declined.address, declined.ancillary)

    def begin(self, bytes packet, str host, transport):
        """Answer one message as `Pipeline.begin` does; questions for upstreams are left to the pipeline."""
        cdef uint8_t small[OUT_SIZE]
        cdef uint32_t written = 0
        cdef Peer peer
        cdef Result result = DECLINED
        cdef const uint8_t *octets = <const uint8_t *><const char *>packet
        cdef uint32_t size = len(packet)
        cdef bytearray out
        if self.table is not None or not self.refuse_unready:
            address_into(&peer, host)
            if transport == Transport.UDP:
                result = self._handle(octets, size, &peer, -1, small, &written, self._clock())
                if result == ANSWERED:
                    return small[:written]
            else:
                out = bytearray(MAX_TCP)
                result = self._handle(octets, size, &peer, -2 - <int>transport, <uint8_t *><char *>out, &written, self._clock())
                if result == ANSWERED:
                    return bytes(out[:written])
            if result == SILENT:
                return Outcome.SILENCE
        return self._pipeline.begin(packet, host, transport)

    def drain(self, int descriptor):
        """Answer at most one batch of a socket's messages in place; give back those that are not ordinary."""
        cdef int i, count
        cdef uint32_t written
        cdef double now
        cdef uint8_t *out
        cdef msghdr *header
        self._declined = []
        for i in range(IN_BATCH):
            self.in_headers[i].msg_hdr.msg_namelen = sizeof(self.in_peers[i].address)
            self.in_headers[i].msg_hdr.msg_controllen = CONTROL_SIZE
        count = recvmmsg(descriptor, self.in_headers, IN_BATCH, MSG_DONTWAIT, NULL)
        if count <= 0:
            return self._declined
        now = monotonic()
        for i in range(count):
            header = &self.in_headers[i].msg_hdr
            self.in_peers[i].address_size = header.msg_namelen
            self.in_peers[i].control_size = <uint32_t>header.msg_controllen
            out = self.outbox.room(descriptor)
            if self._handle(
                self.in_buffers[i], self.in_headers[i].msg_len, &self.in_peers[i], descriptor, out, &written, now
            ) == DECLINED:
                self._give_back(&self.in_peers[i], descriptor, self.in_buffers[i], self.in_headers[i].msg_len)
            elif written:
                self.outbox.put(&self.in_peers[i], written)
        self.outbox.flush()
        if self.flights.any_refused:
            self._give_up_refused()
        return self._declined

    def drain_upstreams(self):
        """Take what upstreams have sent, and answer all who wait for it; give back those whom it does not answer."""
        cdef epoll_event events[READY]
        cdef int ready, i, taken, index
        cdef ssize_t size
        cdef Flight *flight
        cdef uint8_t *message = self.in_buffers[0]
        cdef double now
        self._declined = []
        ready = epoll_wait(self.epoll, events, READY, 0)
        if ready <= 0:
            return self._declined
        now = monotonic()
        for i in range(ready):
            index = self._place_of(events[i].data.fd)
            if index < 0:
                continue
            for taken in range(PER_SOCKET):
                size = recv(self.flights.descriptors[index], message, IN_SIZE * IN_BATCH, MSG_DONTWAIT)
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
        return self._declined

    cdef int _place_of(self, int descriptor) noexcept nogil:
        """Give the place of an upstream socket, -1 where it is none any more."""
        cdef int i
        for i in range(self.flights.sockets):
            if self.flights.descriptors[i] == descriptor:
                return i
        return -1

    def give_up_before(self, double sent):
        """Give back all who wait for what was sent before a moment of the monotonic clock."""
        self._declined = []
        while self.flights.soonest != NULL and self.flights.soonest.sent < sent:
            self._give_up(self.flights.soonest)
        return self._declined

    cdef _land(self, Flight *flight, const uint8_t *message, uint32_t size, double now):
        """Keep what an upstream said and answer those who wait for it."""
        cdef uint32_t lifetime = 0
        cdef Entry *entry = read_response(message, size, flight.question_size, &lifetime)
        cdef Entry *keyed
        cdef Waiter *waiter
        cdef Question q
        cdef uint8_t *out
        cdef uint32_t written
        cdef bint kept
        if entry == NULL:
            self._give_up(flight)
            return
        keyed = _with_key(entry, flight)
        free(entry)
        if keyed == NULL:
            self._give_up(flight)
            return
        self._took(now - flight.sent)
        kept = self.cache.keep(keyed, lifetime, now)
        waiter = flight.first
        try:
            while waiter != NULL:
                out = self.outbox.room(waiter.descriptor)
                written = 0
                if not read_question(waiter.packet, waiter.size, True, &q) or self._late_answer(
                    &q, keyed, out, &written, now
                ) == DECLINED:
                    self._give_back(&waiter.peer, waiter.descriptor, waiter.packet, waiter.size)
                elif written:
                    self.outbox.put(&waiter.peer, written)
                waiter = waiter.next
        finally:
            self.flights.release(flight)
            if not kept:
                free(keyed)

    cdef _give_up(self, Flight *flight):
        """Give back all who wait for a flight, and end it."""
        cdef Waiter *waiter = flight.first
        try:
            while waiter != NULL:
                self._give_back(&waiter.peer, waiter.descriptor, waiter.packet, waiter.size)
                waiter = waiter.next
        finally:
            self.flights.release(flight)

    cdef _give_up_refused(self):
        """Give up the sockets of which the network said, when something was sent, that nobody is there."""
        cdef int index
        self.flights.any_refused = False
        for index in range(self.flights.sockets):
            if self.flights.refused[index]:
                self.flights.refused[index] = False
                self.unreachable += 1
                self._give_up_socket(index)

    cdef _give_up_socket(self, int index):
        """Give back all who wait for what was sent by a socket."""
        cdef Flight *flight = self.flights.soonest
        cdef Flight *after
        while flight != NULL:
            after = flight.later
            if flight.socket == index:
                self._give_up(flight)
            flight = after

    cdef _give_back(self, const Peer *peer, int descriptor, const uint8_t *packet, uint32_t size):
        """Have the pipeline answer a message; note it where that must wait."""
        host, address = address_of(peer)
        begun = self._pipeline.begin(<bytes>packet[:size], host, Transport.UDP)
        if begun is Outcome.SILENCE:
            return
        ancillary = ancillary_of(peer)
        if isinstance(begun, bytes):
            send(self._sockets[descriptor], begun, address, ancillary)
        else:
            self._declined.append(Declined(begun, address, ancillary, descriptor))

    cdef Result _handle(
        self, const uint8_t *packet, uint32_t size, const Peer *peer, int descriptor, uint8_t *out, uint32_t *written,
        double now,
    ) noexcept nogil:
        """Answer one message into `out`; `descriptor` is where it came from, or below 0 where it may not fly.

        -2 - transport stands for a message that came over a stream.
        """
        cdef Question q
        cdef Decision decision
        cdef Entry *entry
        cdef Flight *flight
        cdef uint64_t hashed
        cdef int64_t hit = -1
        cdef bint allowed = False
        cdef int transport = UDP if descriptor >= -1 else -2 - descriptor
        written[0] = 0
        if not read_question(packet, size, transport == UDP, &q) or not self._serves(<const sockaddr *>&peer.address):
            return DECLINED
        if q.qclass != CLASS_IN or q.qtype == TYPE_OPT or q.qtype == TYPE_AXFR or q.qtype == TYPE_IXFR:
            return DECLINED
        if self.table is not None:
            decision = self.table.decide(q.key, q.key_size, q.ends, q.labels)
            if decision.ruling == RULED_BROKEN:
                return DECLINED
            if decision.ruling == RULED_LISTED:
                return self._block_counted(&q, &decision, transport, -1, out, written)
            if decision.ruling != RULED_NONE:
                hit = decision.order
                allowed = decision.ruling == RULED_ALLOWED
        elif self.refuse_unready:
            return DECLINED
        if not q.flags & FLAG_RD:
            return DECLINED
        hashed = self.cache.hash_of(q.key, q.key_size, q.qtype, q.do_, (q.flags & FLAG_CD) != 0)
        entry = self.cache.find(hashed, q.key, q.key_size, q.qtype, q.do_, (q.flags & FLAG_CD) != 0, now)
        if entry != NULL:
            return self._from_entry(&q, entry, transport, hit, allowed, True, out, written, now)
        if descriptor < 0 or size > MAX_PACKET or self.flights.waiting >= MAX_WAITING:
            return DECLINED  # before anything is launched that nobody could wait for
        flight = self.flights.find(hashed, q.key, q.key_size, q.qtype, q.do_, (q.flags & FLAG_CD) != 0)
        if flight == NULL:
            flight = self.flights.launch(hashed, q.key, q.key_size, q.qtype, q.do_, (q.flags & FLAG_CD) != 0, now)
            if flight == NULL:
                return DECLINED
        if not self.flights.join(flight, peer, descriptor, packet, size):
            if flight.waiters == 0:
                self.flights.release(flight)
            return DECLINED
        return FLOWN

cdef Entry *_with_key(const Entry *entry, const Flight *flight) noexcept nogil:
    """Give a copy of an entry that has its question."""
    cdef Entry *keyed = new_entry(
        flight.key_size, entry.records_size, entry.ttl_count, entry.errors_size, entry.leads_size
    )
    if keyed == NULL:
        return NULL
    memcpy(keyed.key, flight.key, flight.key_size)
    memcpy(keyed.records, entry.records, entry.records_size)
    memcpy(keyed.ttls, entry.ttls, entry.ttl_count * 8)
    memcpy(keyed.errors, entry.errors, entry.errors_size)
    memcpy(keyed.leads, entry.leads, entry.leads_size)
    memcpy(keyed.counts, entry.counts, sizeof(entry.counts))
    keyed.rcode = entry.rcode
    keyed.authentic = entry.authentic
    keyed.hash = flight.hash
    keyed.qtype, keyed.do_, keyed.cd = flight.qtype, flight.do_, flight.cd
    return keyed


cdef bint _would_block() noexcept nogil:
    return errno == EAGAIN
