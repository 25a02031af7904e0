# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""The engine in C: drains a UDP socket, answers in place what it understands, and gives back the rest.

It does what `pipeline.py` does with an ordinary question, with the same answers octet for octet: client networks,
policy, cache, forwarding. Everything else it declines, and the pipeline answers. One thread uses it, without a lock.
"""

import itertools
import socket as sockets
import struct

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport free
from libc.string cimport memcmp, memcpy, memset

from blockd.metrics import counters as layout
from blockd.metrics.counters import Transport
from blockd.orders import Action
from blockd.resolver.engine import Declined, send
from blockd.resolver.pipeline import Outcome

from libc.errno cimport EAGAIN, errno

from blockd.resolver._cache cimport Entry, LEAD_ADDRESS, LEAD_NAME, NativeCache, new_entry
from blockd.resolver._cursor cimport write_u32
from blockd.resolver._flights cimport MAX_PACKET, MAX_STRAYS, MAX_WAITING, Flight, Flights, Waiter
from blockd.resolver._message cimport HEADER_SIZE, MAX_TCP, Question, read_question, write_answer
from blockd.resolver._outbox cimport CONTROL_SIZE, OUT_SIZE, Outbox, Peer
from blockd.resolver._reading cimport read_response
from blockd.resolver._sockets cimport (
    AF_INET, AF_INET6, CMSG_FIRSTHDR, EPOLLIN, MSG_DONTWAIT, MSG_TRUNC, cmsghdr, epoll_event, epoll_wait, iovec,
    mmsghdr, monotonic, msghdr, recv, recvmmsg, sockaddr, sockaddr_in, sockaddr_in6,
)
from blockd.ruleset._table cimport (
    RULED_ALLOWED, RULED_BROKEN, RULED_LISTED, RULED_MONITORED, RULED_NONE, Decision, Table,
)

cdef enum:
    UDP = 0
    TYPE_A = 1
    TYPE_AAAA = 28
    TYPE_OPT = 41
    TYPE_IXFR = 251
    TYPE_AXFR = 252
    CLASS_IN = 1
    NOERROR = 0
    NXDOMAIN = 3
    REFUSED = 5
    FLAG_RD = 0x0100
    FLAG_CD = 0x0010
    SINKHOLE = 0
    DO_NXDOMAIN = 1
    DO_NODATA = 2
    DO_REFUSED = 3
    DO_DROP = 4
    DO_CNAME = 5
    DO_TCP_ONLY = 6
    MAX_RECORD = 256  # octets of the sinkhole's and the SOA record
    READY = 64  # upstream sockets looked at in one call
    PER_SOCKET = 32  # messages taken from one of them

_ACTIONS = {action: place for place, action in enumerate(Action)}
cdef int _ANSWERS_AT = layout._ANSWERS
cdef int _CACHE_HITS_AT = layout._CACHE_HITS
cdef int _UPSTREAM_AT = layout._UPSTREAM
cdef int _MICROSECONDS_AT = layout._UPSTREAM_MICROSECONDS
cdef int _HITS_AT = layout._HITS
cdef uint32_t _MAX_HIT_SLOTS = layout.MAX_HIT_SLOTS
cdef int _KINDS = len(layout.HIT_KINDS)
cdef int _RCODES = layout.RCODES
cdef double _BOUNDS[32]
cdef int _BOUND_COUNT = len(layout.UPSTREAM_BUCKETS)
for _place, _bound in enumerate(layout.UPSTREAM_BUCKETS):
    _BOUNDS[_place] = _bound


cdef class NativeEngine:
    """One worker's engine.

    `networks` are those served; `row` the worker's counters as 64-bit numbers; `clock` the monotonic clock, which `begin`
    asks. `pipeline` answers what is declined.
    """

    def __init__(self, pipeline, networks, row, NativeCache cache, clock, bint refuse_unready):
        self._pipeline = pipeline
        self._clock = clock
        self._sockets = {}
        self._declined = []
        self.cache = cache
        self.flights = Flights()
        self.outbox = Outbox()
        self.row = row
        if self.row.shape[0] < layout._ROW:
            raise ValueError("the row of counters is too short")
        self.refuse_unready = refuse_unready
        self.epoll = -1
        self._take_networks(list(networks))
        cdef int i
        memset(self.in_headers, 0, sizeof(self.in_headers))
        for i in range(IN_BATCH):
            self.in_vectors[i].iov_base = self.in_buffers[i]
            self.in_vectors[i].iov_len = IN_SIZE
            self.in_headers[i].msg_hdr.msg_iov = &self.in_vectors[i]
            self.in_headers[i].msg_hdr.msg_iovlen = 1
            self.in_headers[i].msg_hdr.msg_name = &self.in_peers[i].address
            self.in_headers[i].msg_hdr.msg_control = self.in_peers[i].control

    def _take_networks(self, networks):
        four, six = [], []
        for network in networks:
            bits = len(network.packed) * 8
            mask = ((1 << bits) - (1 << bits - network.prefix_length)).to_bytes(bits // 8, "big")
            (four if bits == 32 else six).append(network.packed + mask)
        self._networks4, self._networks6 = b"".join(four), b"".join(six)
        self.networks4 = <const uint8_t *><const char *>self._networks4
        self.networks6 = <const uint8_t *><const char *>self._networks6
        self.count4, self.count6 = len(four), len(six)

    def enforce(self, enforced, answers):
        """Enforce another ruleset from the next message on; its files stay mapped until the next one."""
        ruleset, states = enforced.ruleset, enforced.states
        orders = [record.order for record in ruleset.catalogue.orders]
        options = [answers.option(order) for order in orders]
        places = [0, *itertools.accumulate(len(option) for option in options)]
        actions = bytes([_ACTIONS[order.action] for order in orders])
        errors, hit_slots = b"".join(options), struct.pack(f"={len(orders)}I", *states.hit_slots)
        error_places = struct.pack(f"={len(places)}I", *places)
        if max(len(answers.a), len(answers.aaaa), len(answers.soa)) > MAX_RECORD:
            raise ValueError("a record is too long")
        table = Table(ruleset.octets, ruleset.header, states.octets, actions)
        # Nothing fails from here on: what is enforced and what is answered change together.
        self._errors, self._error_places, self._hit_slots = errors, error_places, hit_slots
        self.errors = <const uint8_t *><const char *>self._errors
        self.error_places = <const uint32_t *><const char *>self._error_places
        self.hit_slots = <const uint32_t *><const char *>self._hit_slots
        self._a, self._aaaa, self._soa = answers.a, answers.aaaa, answers.soa
        self.a, self.a_size = <const uint8_t *><const char *>self._a, len(self._a)
        self.aaaa, self.aaaa_size = <const uint8_t *><const char *>self._aaaa, len(self._aaaa)
        self.soa, self.soa_size = <const uint8_t *><const char *>self._soa, len(self._soa)
        if self.table is not None:
            self.table.close()
        self.table = table
        self.table_number += 1

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
            _address_into(&peer, host)
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

    cdef Result _late_answer(
        self, const Question *q, Entry *entry, uint8_t *out, uint32_t *written, double now
    ) noexcept nogil:
        """Answer one who waited, by what is enforced now."""
        cdef Decision decision
        cdef int64_t hit = -1
        cdef bint allowed = False
        memset(&decision, 0, sizeof(decision))
        if self.table is not None:
            decision = self.table.decide(q.key, q.key_size, q.ends, q.labels)
            if decision.ruling == RULED_BROKEN:
                return DECLINED
            if decision.ruling == RULED_LISTED:
                return self._block_counted(q, &decision, UDP, -1, out, written)
            if decision.ruling != RULED_NONE:
                hit = decision.order
                allowed = decision.ruling == RULED_ALLOWED
        elif self.refuse_unready:
            return DECLINED
        return self._from_entry(q, entry, UDP, hit, allowed, False, out, written, now)

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
        host, address = _address_of(peer)
        begun = self._pipeline.begin(<bytes>packet[:size], host, Transport.UDP)
        if begun is Outcome.SILENCE:
            return
        ancillary = _ancillary_of(peer)
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

    cdef Result _block_counted(
        self, const Question *q, const Decision *decision, int transport, int64_t first, uint8_t *out,
        uint32_t *written,
    ) noexcept nogil:
        """Answer a question for a listed name, and count it; `first` is an order that it was a hit of before."""
        cdef int rcode = NOERROR
        cdef uint32_t owner = 0
        cdef uint32_t place = self.error_places[decision.order]
        cdef const uint8_t *errors = self.errors + place
        cdef uint32_t errors_size = self.error_places[decision.order + 1] - place
        cdef uint8_t records[512]
        cdef uint32_t size
        if decision.action == DO_CNAME or (decision.action == DO_TCP_ONLY and transport != UDP):
            return DECLINED
        if decision.action == DO_DROP:
            self._count(transport, first, decision.order, -1)
            return SILENT
        if decision.action == DO_REFUSED:
            rcode = REFUSED
            written[0] = write_answer(out, q, rcode, 0, 0, 0, records, 0, errors, errors_size, False, False)
        elif decision.action == DO_TCP_ONLY:
            written[0] = write_answer(out, q, rcode, 0, 0, 0, records, 0, errors, errors_size, False, True)
        elif decision.action == SINKHOLE and (q.qtype == TYPE_A or q.qtype == TYPE_AAAA):
            size = self._address_record(q.qtype, records)
            written[0] = write_answer(out, q, rcode, 1, 0, 0, records, size, errors, errors_size, False, False)
        else:
            if decision.action == DO_NXDOMAIN:
                rcode = NXDOMAIN
            if (
                decision.entry_size and decision.entry_size <= q.key_size
                and memcmp(q.key, decision.entry, decision.entry_size) == 0
            ):
                owner = q.key_size - decision.entry_size
            owner += 0xC000 | HEADER_SIZE
            records[0] = <uint8_t>(owner >> 8)
            records[1] = <uint8_t>owner
            memcpy(records + 2, self.soa, self.soa_size)
            written[0] = write_answer(
                out, q, rcode, 0, 1, 0, records, 2 + self.soa_size, errors, errors_size, False, False
            )
        self._count(transport, first, decision.order, rcode)
        return ANSWERED

    cdef uint32_t _address_record(self, uint16_t qtype, uint8_t *out) noexcept nogil:
        if qtype == TYPE_A:
            memcpy(out, self.a, self.a_size)
            return self.a_size
        memcpy(out, self.aaaa, self.aaaa_size)
        return self.aaaa_size

    cdef Result _from_entry(
        self, const Question *q, Entry *entry, int transport, int64_t hit, bint allowed, bint cached, uint8_t *out,
        uint32_t *written, double now,
    ) noexcept nogil:
        """Answer with what an upstream said, unless it leads to what is listed."""
        cdef int64_t second = -1
        cdef uint32_t size, i, ttl, age
        cdef Result result
        cdef uint8_t *records
        if self.table is not None and not allowed and entry.leads_size:
            self._judge(entry)
            if entry.decision.ruling == RULED_BROKEN:
                return DECLINED
            if entry.decision.ruling == RULED_LISTED:
                result = self._block_counted(q, &entry.decision, transport, hit, out, written)
                if result != DECLINED and cached:
                    self.row[_CACHE_HITS_AT] += 1
                if result != DECLINED or entry.decision.action != DO_TCP_ONLY:
                    return result
            if entry.decision.ruling != RULED_NONE:
                second = entry.decision.order
        size = HEADER_SIZE + q.section_size
        written[0] = write_answer(
            out, q, entry.rcode, entry.counts[0], entry.counts[1], entry.counts[2], entry.records,
            entry.records_size, entry.errors, entry.errors_size, entry.authentic, False,
        )
        if not out[2] & 0x02:  # not cut down to TC: the records stand behind the question
            records = out + size
            age = <uint32_t>(now - entry.stored) if now > entry.stored else 0
            for i in range(entry.ttl_count):
                ttl = entry.ttls[i * 2 + 1]
                if ttl > entry.ceiling:
                    ttl = entry.ceiling
                write_u32(records + entry.ttls[i * 2], ttl - age if ttl > age else 0)
        if cached:
            self.row[_CACHE_HITS_AT] += 1
        self._count(transport, hit, second, entry.rcode)
        return ANSWERED

    cdef void _judge(self, Entry *entry) noexcept nogil:
        """Decide about what an entry leads to, unless that was done for what is enforced now: names before addresses."""
        cdef uint64_t moment = self.table_number << 32 | self.table.epoch()
        cdef Decision found
        cdef Decision first
        cdef uint32_t at
        cdef int kind
        if entry.judged_by == moment:
            return
        memset(&first, 0, sizeof(first))
        for kind in range(2):
            at = 0
            while at + 2 <= entry.leads_size:
                if entry.leads[at] == kind:
                    if kind == LEAD_NAME:
                        found = self.table.decide_key(entry.leads + at + 2, entry.leads[at + 1])
                    else:
                        found = self.table.decide_address(entry.leads + at + 2, entry.leads[at + 1])
                    if found.ruling == RULED_LISTED or found.ruling == RULED_BROKEN:
                        entry.decision = found
                        entry.judged_by = moment
                        return
                    if first.ruling == RULED_NONE:
                        first = found
                at += 2 + entry.leads[at + 1]
        entry.decision = first
        entry.judged_by = moment

    cdef bint _serves(self, const sockaddr *address) noexcept nogil:
        """Tell whether a client is served."""
        cdef const Mask4 *four
        cdef const uint8_t *six
        cdef uint32_t host
        cdef const uint8_t *octets
        cdef int i, octet
        if address.sa_family == AF_INET:
            host = (<const sockaddr_in *>address).sin_addr.s_addr
            four = <const Mask4 *>self.networks4
            for i in range(self.count4):
                if host & four[i].mask == four[i].network:
                    return True
        elif address.sa_family == AF_INET6:
            octets = <const uint8_t *>&(<const sockaddr_in6 *>address).sin6_addr
            for i in range(self.count6):
                six = self.networks6 + i * 32
                for octet in range(16):
                    if octets[octet] & six[16 + octet] != six[octet]:
                        break
                else:
                    return True
        return False

    cdef void _count(self, int transport, int64_t hit, int64_t second, int rcode) noexcept nogil:
        """Count a question, the orders that it was a hit of, and its answer; rcode -1 for silence."""
        self.row[transport] += 1
        if hit >= 0:
            self._count_hit(<uint32_t>hit)
        if second >= 0:
            self._count_hit(<uint32_t>second)
        if rcode >= 0:
            self.row[_ANSWERS_AT + rcode] += 1

    cdef void _count_hit(self, uint32_t order) noexcept nogil:
        cdef uint32_t slot = self.hit_slots[order]
        if slot >= _MAX_HIT_SLOTS:
            slot = 0
        self.row[_HITS_AT + slot * _KINDS] += 1

    cdef void _took(self, double seconds) noexcept nogil:
        """Count an exchange with an upstream."""
        cdef int place = 0
        if seconds < 0:
            seconds = 0
        while place < _BOUND_COUNT and seconds > _BOUNDS[place]:
            place += 1
        self.row[_UPSTREAM_AT + place] += 1
        self.row[_MICROSECONDS_AT] += <uint64_t>(seconds * 1e6)


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


cdef _address_of(const Peer *peer):
    """Give host and address of a peer as Python's sockets write them."""
    cdef const sockaddr_in *four
    cdef const sockaddr_in6 *six
    if (<const sockaddr *>&peer.address).sa_family == AF_INET:
        four = <const sockaddr_in *>&peer.address
        host = sockets.inet_ntop(sockets.AF_INET, (<const uint8_t *>&four.sin_addr)[:4])
        return host, (host, sockets.ntohs(four.sin_port))
    six = <const sockaddr_in6 *>&peer.address
    host = sockets.inet_ntop(sockets.AF_INET6, six.sin6_addr.s6_addr[:16])
    return host, (host, sockets.ntohs(six.sin6_port), sockets.ntohl(six.sin6_flowinfo), six.sin6_scope_id)


cdef _address_into(Peer *peer, str host):
    """Write a host as an address, for asking whether it is served."""
    cdef sockaddr_in *four = <sockaddr_in *>&peer.address
    cdef sockaddr_in6 *six = <sockaddr_in6 *>&peer.address
    cdef bytes packed
    memset(peer, 0, sizeof(Peer))
    if ":" in host:
        packed = sockets.inet_pton(sockets.AF_INET6, host.partition("%")[0])
        six.sin6_family = AF_INET6
        memcpy(six.sin6_addr.s6_addr, <const char *>packed, 16)
    else:
        packed = sockets.inet_aton(host)
        four.sin_family = AF_INET
        memcpy(&four.sin_addr, <const char *>packed, 4)


cdef _ancillary_of(const Peer *peer):
    """Give the control messages of a peer as Python's sockets write them."""
    cdef cmsghdr *control
    if peer.control_size < sizeof(cmsghdr):
        return []
    control = <cmsghdr *>peer.control
    if control.cmsg_len < sizeof(cmsghdr) or control.cmsg_len > peer.control_size:
        return []
    data = peer.control[sizeof(cmsghdr):control.cmsg_len]
    return [(control.cmsg_level, control.cmsg_type, data)]
