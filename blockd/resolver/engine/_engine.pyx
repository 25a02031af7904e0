# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""The engine in C: drains a UDP socket, answers ordinary questions in place, and gives back the rest.

It handles an ordinary question as `pipeline.py` does, with the same answers octet for octet: client networks, policy,
cache, forwarding. It declines everything else, which the pipeline answers. One thread uses it, without a lock. What
is left to upstreams is asked by `_asking.pyx`.

It is one module, and longer than others may be: datagrams and messages of streams are looked at and answered by the same
functions, which the compiler inlines.
"""

import math

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memset

from blockd.metrics import counters as layout
from blockd.metrics import traffic as sketch
from blockd.metrics.counters import Transport
from blockd.resolver.edge.reply_options import keepalive_units
from blockd.resolver.query_context import Outcome

from blockd.orders._numbers cimport ACTION_CNAME
from blockd.metrics._numbers cimport (
    DEPTH, GAP_BITS, MAX_SUFFIXES, NOTED, STREAMEVENT_PROXY_REFUSED, TRANSPORT_UDP, WIDTH,
)
from blockd.dns cimport _types as types
from blockd.resolver.engine._answering cimport ANSWERED, DECLINED, FLOWN, FROM_CACHE, MISSED, SILENT, Passed, Result
from blockd.resolver.engine._asking cimport Asking
from blockd.resolver.engine._cache cimport Entry, NativeCache
from blockd.resolver.engine._clients cimport asker_of, is_within
from blockd.resolver.engine._message cimport Question, has_cookie_of, is_asked, read_question
from blockd.resolver._numbers cimport IPV4_PREFIX, IPV6_PREFIX, SECRET, UNJUDGED_OPTION
from blockd.resolver.engine._outbox cimport CONTROL_SIZE, OUT_SIZE, Peer, client_of
from blockd.resolver.engine._peers cimport address_into
from blockd.resolver.engine._sockets cimport MSG_DONTWAIT, begun_second, monotonic, recvmmsg, sockaddr
from blockd.resolver.engine._telling cimport transport_of
from blockd.resolver.forwarding.native._flights cimport Asker, Flight
from blockd.ruleset._siphash cimport siphash13
from blockd.ruleset._parties cimport Decision, undecided

cdef int _CACHE_MISSES_AT = layout._CACHE_MISSES
cdef int _EVENTS_AT = layout._EVENTS

cdef enum:
    NO_ALIAS = 255  # no action's number
    TURNS = 4  # batches taken in one call, so that other sockets and timers get their turn
    BUSY = 12  # messages in a batch that suggest that more have arrived meanwhile


cdef class NativeEngine(Asking):
    """One worker's engine.

    `pipeline` answers what it declines; `service` and `instruments` are those of `options.py`. `begin` reads clocks.
    """

    def __init__(self, pipeline, NativeCache cache, service, instruments):
        Asking.__init__(self, pipeline, cache, service, instruments)
        self._wall_clock = instruments.wall_clock
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
            self.in_vectors[i].iov_len = RECEIVED
            self.in_headers[i].msg_hdr.msg_iov = &self.in_vectors[i]
            self.in_headers[i].msg_hdr.msg_iovlen = 1
            self.in_headers[i].msg_hdr.msg_name = &self.in_peers[i].address
            self.in_headers[i].msg_hdr.msg_control = self.in_peers[i].control

    def attach(self, sock):
        """Attach a bound UDP socket; return the descriptor to call `drain` with."""
        sock.setblocking(False)
        self._sockets[sock.fileno()] = sock
        return sock.fileno()

    def begin(self, bytes packet, str host, transport, double idle=0, deliver=None, done=None):
        """Answer one message as `Pipeline.begin` does; questions for upstreams are left to the pipeline.

        With `deliver` and `done`, see `PendingQuestion`, one that came over a stream waits here, if it is ordinary: it is
        returned as a `PendingQuestion`.
        """
        cdef uint8_t small[OUT_SIZE]
        cdef Looked looked
        cdef uint32_t written = 0
        cdef Peer peer
        cdef Result result = DECLINED
        cdef const uint8_t *octets = <const uint8_t *><const char *>packet
        cdef uint32_t size = len(packet)
        cdef double now
        if self.table is not None or not self.refuse_unready:
            address_into(&peer, host)
            self.second = math.ceil(self._wall_clock())
            self._look(&looked, octets, size, &peer, <int>transport)
            self.keepalive = keepalive_units(idle)
            if transport == Transport.UDP:
                result = self._handle(&looked, octets, size, &peer, -1, small, &written, self._clock())
                if result == ANSWERED:
                    self._leave(&looked.question, client_of(&peer), True, small, &written, self._clock())
                    return small[:written] if written else Outcome.SILENCE
            else:
                now = self._clock()
                result = self._handle(
                    &looked, octets, size, &peer, -2 - <int>transport, self.stream_out, &written, now
                )
                if result == ANSWERED:
                    self._leave(&looked.question, client_of(&peer), False, NULL, &written, 0)
                    return self.stream_out[:written]
                if result == MISSED and deliver is not None and not looked.is_selftest and self._can_wait(size):
                    return self._wait(&looked, packet, &peer, host, transport, idle, deliver, done, now)
            if result == SILENT:
                return Outcome.SILENCE
        return self._pipeline.begin(packet, host, transport, idle)

    cdef object _wait(
        self, Looked *looked, bytes packet, const Peer *peer, str host, transport, double idle, deliver, done, double moment
    ):
        """Have a question over a stream wait for upstreams; return it, or its answer if that is known at once."""
        cdef const Question *q = &looked.question
        cdef Result result
        cdef uint32_t written = 0
        cdef double now = monotonic()
        self._begin_others()
        waiting = self._questions.enter(packet, host, transport, idle, deliver, done, self._keys_of(q, client_of(peer)))
        result = self._ask(
            q, looked.hashed, <const uint8_t *><const char *>packet, <uint32_t>len(packet), peer, -2 - <int>transport,
            0 if waiting is None else waiting.number, &written, now, moment,
        )
        said = waiting
        if result != FLOWN:
            if waiting is not None:
                self._questions.leave(waiting)
            if written:
                self._leave(q, client_of(peer), False, NULL, &written, 0)
            said = self.stream_out[:written] if written else Outcome.SILENCE
            if result == DECLINED:
                said = self._pipeline.begin(packet, host, transport, idle)
        if self.forwarding.ports.refused_count:
            self.forwarding.give_up_refused(now)
        self._end_others()
        return said

    cdef tuple _keys_of(self, const Question *q, const sockaddr *client):
        """Return what the place of a question is counted by, see `Place`."""
        cdef bytes domain = self.forwarding.floods.domain_of(q.key[:q.key_size])
        cdef bytes address
        cdef Asker by
        if is_within(&self.unlimited, client):
            return (domain,)
        by = asker_of(client)
        address = by.octets[:by.size]
        return domain, address, address[:IPV4_PREFIX if by.size == 4 else IPV6_PREFIX]

    def take_questions(self, questions):
        """Have questions over streams wait in the engine; `questions` is a `PendingQuestions`."""
        self._questions = questions

    def part(self, bytes packet, transport, uint64_t number):
        """Take a question over a stream out of its flight; return whether it was in one."""
        cdef Looked looked
        return self._part(&looked, packet, <int>transport, number)

    def abandon(self, bytes packet, str host, transport, uint64_t number):
        """Take a question over a stream out of its flight, as its client has gone: it is counted, and has no answer."""
        cdef Looked looked
        cdef Passed passed
        cdef Peer peer
        cdef uint32_t written = 0
        cdef Result result
        if not self._part(&looked, packet, <int>transport, number):
            return  # its answer is counted, and told to nobody
        address_into(&peer, host)
        self.is_selftest = False
        if not self._is_decided_late(
            &looked.question, client_of(&peer), <int>transport, self.stream_out, &written, &result, &passed
        ):
            self._count(<int>transport, passed.hit, -1, -1)
        self.rcode = -1
        self.row[_CACHE_MISSES_AT] += 1

    cdef bint _part(self, Looked *looked, bytes packet, int transport, uint64_t number) except *:
        cdef Question *q = &looked.question
        cdef Flight *flight
        looked.has_hash = False
        if not read_question(packet, len(packet), transport, self.client_option, q):
            return False
        self._hash_question(looked)
        flight = self.forwarding.flights.find(
            looked.hashed, q.key, q.key_size, q.qtype, q.do_, (q.flags & types.CD) != 0
        )
        return flight != NULL and self._part_from(flight, number)

    def drain(self, int descriptor):
        """Answer a few batches of a socket's messages in place; give back those that are not ordinary."""
        cdef int _turn
        self._deferred = []
        self._begin_turn(True)
        self._work_off()
        for _turn in range(TURNS):
            if self.unread or self._drain_batch(descriptor) < BUSY or self.forwarding.is_over():
                break
        self._end_turn()
        return self._deferred

    cdef int _drain_batch(self, int descriptor) except -1:
        """Take one batch of a socket's messages, and answer as many as there is time for; return how many were taken."""
        cdef int i
        for i in range(IN_BATCH):
            self.in_headers[i].msg_hdr.msg_namelen = sizeof(self.in_peers[i].address)
            self.in_headers[i].msg_hdr.msg_controllen = CONTROL_SIZE
        self.batch = max(recvmmsg(descriptor, self.in_headers, IN_BATCH, MSG_DONTWAIT, NULL), 0)
        self.batch_descriptor = descriptor
        self.unread = self.batch
        self._work_off()
        return self.batch

    cdef int _work_off(self) except -1:
        """Answer what was read, as much as there is time for in this turn of the event loop."""
        cdef int i, first, last, descriptor = self.batch_descriptor
        cdef uint32_t written
        cdef double now
        cdef uint8_t *out
        cdef Result result
        cdef Looked *looked
        if self.unread == 0:
            return 0
        now = monotonic()
        self.second = begun_second()
        self.keepalive = 0
        while self.unread:
            first = self.batch - self.unread
            last = first + AHEAD if first + AHEAD < self.batch else self.batch
            self._look_ahead(first, last)
            for i in range(first, last):
                self.unread -= 1
                self.is_costly = False
                looked = &self.ahead[i - first]
                if looked.is_dropped:
                    self.row[_EVENTS_AT + STREAMEVENT_PROXY_REFUSED] += 1  # UDP's are the first
                    continue
                self.in_peers[i].address_size = self.in_headers[i].msg_hdr.msg_namelen
                self.in_peers[i].control_size = <uint32_t>self.in_headers[i].msg_hdr.msg_controllen
                out = self.outbox.room(descriptor)
                result = self._handle(
                    looked, looked.packet, looked.size, &self.in_peers[i], descriptor, out, &written, now
                )
                if result == MISSED:
                    result = self._ask(
                        &looked.question, looked.hashed, looked.packet, looked.size, &self.in_peers[i], descriptor,
                        0, &written, now, now,
                    )
                    out = self.outbox.room(descriptor)  # others may have been answered meanwhile
                    self.is_costly = True
                if result == DECLINED:
                    self._give_back(&self.in_peers[i], descriptor, looked.packet, looked.size)
                    self.is_costly = True
                elif written:
                    self._leave(&looked.question, client_of(&self.in_peers[i]), True, out, &written, now)
                    if written:
                        self.outbox.put(&self.in_peers[i], written)
                if self.is_costly and self.forwarding.is_over():
                    break
            if self.forwarding.is_over():
                break
        if self.forwarding.ports.refused_count:
            self.forwarding.give_up_refused(now)
        self.outbox.flush()
        return 0

    cdef void _look_ahead(self, int first, int last) noexcept nogil:
        """Parse some of the messages read, and prefetch the memory that their answers need, all at once."""
        cdef Looked *looked
        cdef int i
        for i in range(first, last):
            looked = &self.ahead[i - first]
            looked.packet, looked.size = self.in_buffers[i], self.in_headers[i].msg_len
            looked.is_dropped = not self._unwrap(&self.in_peers[i], &looked.packet, &looked.size)
            if looked.is_dropped:
                looked.ordinary = looked.has_hash = False
            else:
                self._look(looked, looked.packet, looked.size, &self.in_peers[i], TRANSPORT_UDP)
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

    cdef bint _look(
        self, Looked *looked, const uint8_t *packet, uint32_t size, const Peer *peer, int transport
    ) noexcept nogil:
        """Parse a message of somebody who is served; return whether it is an ordinary question."""
        cdef Question *q = &looked.question
        looked.ordinary = False
        looked.is_selftest = self._is_selftest(packet, size)
        looked.served = looked.is_selftest or self._serves(client_of(peer))
        if not looked.served:
            return False
        looked.likely_listed = looked.has_hash = False
        looked.suffixes = 0
        looked.ordinary = read_question(packet, size, transport, self.client_option, q)
        if looked.ordinary and self.table is not None:
            looked.suffixes = self.table.hash_suffixes(q.key, q.ends, q.labels, looked.hashes)
        return looked.ordinary

    cdef void _hash_question(self, Looked *looked) noexcept nogil:
        cdef Question *q = &looked.question
        if not looked.has_hash:
            looked.hashed = self.cache.hash_of(q.key, q.key_size, q.qtype, q.do_, (q.flags & types.CD) != 0)
            looked.has_hash = True

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
        """Answer a parsed message into `out`; `descriptor` is its socket, or -1 if it has none.

        -2 - transport stands for a message that came over a stream.
        """
        cdef Question *q = &looked.question
        cdef Decision name = undecided()
        cdef Result result
        cdef Passed passed
        cdef Entry *entry
        cdef bint cd
        cdef int transport = transport_of(descriptor)
        written[0] = 0
        self.rcode = -1
        self.is_selftest = looked.is_selftest
        if not looked.served:
            return self._refuse(packet, size, transport, out, written)
        if not looked.ordinary:
            return DECLINED
        if self.is_selftest and _is_unjudged(packet, size):
            return DECLINED
        if q.options_size:
            if has_cookie_of(q, self.own, self.own_count):
                return DECLINED
            self._prepare(q, client_of(peer))
        if q.qclass != types.CLASS_IN or not is_asked(q.qtype):
            return DECLINED
        if self.until_noted > 0 and not self.is_selftest:
            self.until_noted -= 1
            if self.until_noted == 0:
                self._note(q)
        self._turn_to(client_of(peer), &passed)
        if self.table is not None:
            name = self.table.decide_hashed(q.key, q.key_size, q.ends, q.labels, looked.hashes, looked.suffixes)
        self.alias.action = NO_ALIAS
        if self._is_decided(
            q, client_of(peer), name, transport, out, written, &result, &passed
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
        return MISSED


cdef bint _is_unjudged(const uint8_t *packet, uint32_t size) noexcept nogil:
    """Return whether a self-test's question asks for the upstreams' answer, which the pipeline gives."""
    cdef const uint8_t *option = packet + size - SECRET - 4
    return size > SECRET + 4 and (option[0] << 8 | option[1]) == UNJUDGED_OPTION
