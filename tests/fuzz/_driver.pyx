# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Mutated input for the native engine in a tight loop. Each message lies in memory of exactly its size, each answer in
memory of exactly what its question allows, so that a sanitizer sees the first octet read or written beyond.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcmp, memcpy, memmove, memset

from blockd.resolver.edge.rates import RateLimits

from blockd.dns cimport _types as types
from blockd.resolver._numbers cimport ANSWER_BLOCK, STRANGERS
from blockd.resolver.edge.rate_limit cimport RateLimiter
from blockd.resolver.engine._answering cimport ANSWERED, DECLINED, MISSED, SILENT, Passed, Result
from blockd.resolver.engine._cache cimport LEAD_ADDRESS, LEAD_EXTRA_ADDRESS, Entry, NativeCache, new_entry
from blockd.dns._cursor cimport Cursor, cursor_over, skip_name, take, take_u16
from blockd.resolver.engine._engine cimport Looked, NativeEngine
from blockd.resolver.engine._message cimport Question, read_question
from blockd.resolver.engine._outbox cimport Peer
from blockd.resolver.engine._peers cimport client_text
from blockd.resolver.engine._reading cimport Reading, read_response
from blockd.resolver.engine._sockets cimport (
    AF_INET, AF_INET6, MSG_DONTWAIT, recv, send, sockaddr, sockaddr_in, sockaddr_in6, sockaddr_storage,
    socklen_t,
)
from blockd.ruleset._parties cimport RULED_BROKEN, RULED_LISTED, RULED_NONE, Decision, undecided
from blockd.ruleset._table cimport Table

cdef extern from "<sys/socket.h>" nogil:
    ssize_t recvfrom(int fd, void *buffer, size_t size, int flags, sockaddr *address, socklen_t *address_size)
    ssize_t sendto(int fd, const void *buffer, size_t size, int flags, const sockaddr *address, socklen_t address_size)

cdef enum:
    MOST = 65535  # octets of a mutated message
    MAX_SEEDS = 2048
    KINDS = 4  # transports: UDP, TCP, DoT, DoH
    CLOCK_STEPS = 4096  # messages between two moves of the clock
    QUESTION_MOST = 259
    KEEPALIVE = 100  # units of 100 ms that streams may be idle
    HELD = 256  # questions that are answered later


cdef struct Chance:
    uint64_t state


cdef inline uint64_t draw(Chance *c) noexcept nogil:
    """Return 64 bits of xorshift64* (Marsaglia, 2003; Vigna, 2016)."""
    c.state ^= c.state >> 12
    c.state ^= c.state << 25
    c.state ^= c.state >> 27
    return c.state * <uint64_t>2685821657736338717


cdef inline uint32_t below(Chance *c, uint32_t most) noexcept nogil:
    return <uint32_t>((draw(c) >> 32) * most >> 32)


cdef class Seeds:
    """Messages to begin from."""

    cdef list _kept
    cdef const uint8_t *octets[MAX_SEEDS]
    cdef uint32_t sizes[MAX_SEEDS]
    cdef uint32_t count

    def __init__(self, messages):
        self._kept = [message for message in messages if len(message) <= MOST][:MAX_SEEDS]
        self.count = len(self._kept)
        cdef uint32_t i
        for i in range(self.count):
            self.octets[i] = <const uint8_t *><const char *>(<bytes>self._kept[i])
            self.sizes[i] = len(self._kept[i])

    cdef uint32_t copy(self, Chance *c, uint8_t *to) noexcept nogil:
        cdef uint32_t which = below(c, self.count)
        memcpy(to, self.octets[which], self.sizes[which])
        return self.sizes[which]

    cdef uint32_t mutate(self, Chance *c, uint8_t *m, uint32_t size) noexcept nogil:
        """Change a message of at most MOST octets in some way, and give its new size."""
        cdef uint32_t at, length, other
        cdef uint8_t marks[12]
        marks[0], marks[1], marks[2], marks[3] = 0, 1, 4, 11
        marks[4], marks[5], marks[6], marks[7] = 0x29, 0x3F, 0x40, 0x7F
        marks[8], marks[9], marks[10], marks[11] = 0x80, 0xC0, 0xC1, 0xFF
        if size == 0:
            return 0
        at = below(c, size)
        # Half of all changes fall behind the header: what breaks there goes deeper.
        if size > types.HEADER_SIZE and draw(c) & 1:
            at = types.HEADER_SIZE + below(c, size - types.HEADER_SIZE)
        cdef uint32_t kind = below(c, 12)
        if kind < 2:
            m[at] ^= <uint8_t>(1 << below(c, 8))
        elif kind < 4:
            m[at] = <uint8_t>draw(c)
        elif kind < 6:
            m[at] = marks[below(c, 12)]
        elif kind == 6 and at + 1 < size:  # a length or a count
            m[at], m[at + 1] = 0, <uint8_t>below(c, 40)
        elif kind == 7:
            size = at
        elif kind == 8:
            length = 1 + below(c, 16)
            if size + length <= MOST:
                for other in range(length):
                    m[size + other] = <uint8_t>draw(c) if draw(c) & 1 else 0
                size += length
        elif kind == 9:  # cut a piece out
            length = 1 + below(c, 16)
            if at + length < size:
                memmove(m + at, m + at + length, size - at - length)
                size -= length
        elif kind == 10:  # repeat a piece
            length = 1 + below(c, 64)
            if at + length <= size and size + length <= MOST:
                memmove(m + at + length, m + at, size - at)
                size += length
        else:  # a piece of another message
            other = below(c, self.count)
            length = 1 + below(c, 64)
            if length <= self.sizes[other] and at + length <= MOST:
                memcpy(m + at, self.octets[other] + below(c, self.sizes[other] - length + 1), length)
                if at + length > size:
                    size = at + length
        return size

    cdef uint32_t next(self, Chance *c, uint8_t *to) noexcept nogil:
        """Write a message, whole or mutated up to eight times, and give its size."""
        cdef uint32_t size = self.copy(c, to)
        cdef uint32_t times = below(c, 9)
        cdef uint32_t _i
        if draw(c) & 3 == 0:
            times = 0
        for _i in range(times):
            size = self.mutate(c, to, size)
        return size


cdef void peer_of(Peer *peer, uint32_t which) noexcept nogil:
    """Write one of the clients: served by IPv4, by IPv6, not served, and of no family."""
    cdef sockaddr_in *four = <sockaddr_in *>&peer.address
    cdef sockaddr_in6 *six = <sockaddr_in6 *>&peer.address
    memset(peer, 0, sizeof(Peer))
    if which == 0:
        four.sin_family = AF_INET
        (<uint8_t *>&four.sin_addr)[0] = 127
        (<uint8_t *>&four.sin_addr)[3] = 1
    elif which == 1:
        six.sin6_family = AF_INET6
        (<uint8_t *>&six.sin6_addr)[15] = 1
    elif which == 2:
        four.sin_family = AF_INET
        (<uint8_t *>&four.sin_addr)[0] = 198


HOSTS = ("127.0.0.1", "::1", "198.0.0.0")


cdef const char *wrong_answer(const Question *q, const uint8_t *packet, const uint8_t *out, uint32_t size) noexcept nogil:
    """Return what is wrong with an answer, NULL if nothing is."""
    cdef Cursor c = cursor_over(out, size)
    cdef uint32_t records, _i
    if packet[2] & 0x80:
        return b"an answer was answered"
    if size > q.limit:
        return b"it is longer than its question allows"
    if q.pads and size % ANSWER_BLOCK and size != q.limit:
        return b"it is not padded"
    if size < types.HEADER_SIZE + q.section_size or memcmp(out, packet, 2) != 0 or not out[2] & 0x80:
        return b"its header is not this question's"
    if memcmp(out + types.HEADER_SIZE, packet + types.HEADER_SIZE, q.section_size) != 0:
        return b"its question is another one"
    take(&c, 4)
    if take_u16(&c) != 1:
        return b"it has not one question"
    records = take_u16(&c)
    records += take_u16(&c)
    records += take_u16(&c)
    take(&c, q.section_size)
    for _i in range(records):
        skip_name(&c)
        take(&c, 8)
        take(&c, take_u16(&c))
    if c.failed or c.left:
        return b"it is no message"
    return NULL


cdef const char *wrong_refusal(const uint8_t *packet, uint32_t size, const uint8_t *out, uint32_t written) noexcept nogil:
    """Return what is wrong with what a stranger is answered, NULL if nothing is."""
    if written > size:
        return b"a refusal is longer than its question"
    if packet[2] & 0x80 or memcmp(out, packet, 2) != 0 or not out[2] & 0x80 or out[3] & 15 != types.REFUSED:
        return b"it is no refusal of this question"
    return NULL


cdef class Tally:
    """What a run did."""

    cdef readonly uint64_t done
    cdef readonly uint64_t declined
    cdef readonly uint64_t answered
    cdef readonly uint64_t silent
    cdef readonly list samples

    def __init__(self):
        self.samples = []


def packets(NativeEngine engine, Seeds seeds, uint64_t count, uint64_t seed, double start, int64_t second, int keep_each):
    """Have the engine handle `count` questions; the clock goes on from `start`, `second` is that of the epoch.

    Every `keep_each`-th is kept as (packet, host, transport, now, answer or None for silence or False where declined).
    """
    cdef Tally tally = Tally()
    cdef Chance chance = Chance(state=seed | 1)
    cdef uint8_t message[MOST]
    cdef uint8_t *stream = <uint8_t *>malloc(types.MAX_TCP)
    cdef uint8_t *packet
    cdef uint8_t *out
    cdef uint32_t size, written, which, transport
    cdef uint64_t i
    cdef double now = start
    cdef Peer peer
    cdef Looked looked
    cdef Question *q = &looked.question
    cdef bint ordinary
    cdef Result result
    cdef const char *wrong = NULL
    cdef RateLimiter limiter = RateLimiter(RateLimits(50, 50, 50), bytes(16))
    engine.second = second
    for i in range(count):
        if i % CLOCK_STEPS == 0:
            now += <double>below(&chance, 1000) / 1000
        size = seeds.next(&chance, message)
        packet = <uint8_t *>malloc(size)
        memcpy(packet, message, size)
        transport = below(&chance, 6)
        transport = 0 if transport >= KINDS else transport
        which = below(&chance, 16)
        which = 0 if which > 3 else which
        peer_of(&peer, which)
        ordinary = engine._look(&looked, packet, size, &peer, transport)
        engine.keepalive = KEEPALIVE if transport else 0
        if ordinary and i % 2:  # as the engine does with a batch
            if engine.table is not None:
                engine.table.approach(looked.hashes, looked.suffixes)
            engine._hash_question(&looked)
            engine.cache.call_bucket(looked.hashed)
            engine.cache.call_entry(looked.hashed)
        out = stream if transport else <uint8_t *>malloc(q.limit if ordinary else size)
        written = 12345
        result = engine._handle(
            &looked, packet, size, &peer, -1 if transport == 0 else -2 - <int>transport, out, &written, now
        )
        if result == ANSWERED:
            tally.answered += 1
            if ordinary:
                wrong = wrong_answer(q, packet, out, written)
                limiter.judge(out, written, engine.rcode, out, 4, engine.kind, i % 3 == 0, now)
            elif not looked.served:
                wrong = wrong_refusal(packet, size, out, written)
                limiter.judge(out, written, engine.rcode, out, 16 if size >= 16 else 4, STRANGERS, False, now)
            else:
                wrong = b"it was no ordinary question"
        elif written != 0:
            wrong = b"something was written, and is no answer"
        elif result == DECLINED or result == MISSED:  # who calls it knows what may be asked about
            tally.declined += 1
        elif result == SILENT:
            tally.silent += 1
        else:
            wrong = b"it is neither answered nor left to others"
        tally.done += 1
        if wrong == NULL and keep_each and i % keep_each == 0 and which < 3:
            tally.samples.append((
                packet[:size], HOSTS[which], transport, now,
                out[:written] if result == ANSWERED else None if result == SILENT else False,
            ))
        if not transport:
            free(out)
        if wrong != NULL:
            text = f"{wrong.decode()}: {packet[:size].hex()} by {transport}, seed {seed}, number {i}"
            free(packet)
            free(stream)
            raise AssertionError(text)
        free(packet)
    free(stream)
    return tally


def headers(NativeEngine engine, Seeds seeds, uint64_t count, uint64_t seed, int keep_each):
    """Have the engine take headers off `count` datagrams.

    Every `keep_each`-th is kept as (datagram, host, host of the client and message, or None if it is dropped).
    """
    cdef Tally tally = Tally()
    cdef Chance chance = Chance(state=seed | 1)
    cdef uint8_t message[MOST]
    cdef uint8_t *packet
    cdef const uint8_t *rest
    cdef uint32_t size, left, which
    cdef uint64_t i
    cdef bint is_taken
    cdef Peer peer
    for i in range(count):
        size = seeds.next(&chance, message)
        packet = <uint8_t *>malloc(size)
        memcpy(packet, message, size)
        which = below(&chance, 16)
        which = 0 if which > 2 else which
        peer_of(&peer, which)
        rest, left = packet, size
        is_taken = engine._unwrap(&peer, &rest, &left)
        if is_taken and (rest < packet or rest > packet + size or left > size - (rest - packet)):
            raise AssertionError(f"what is left lies outside: {packet[:size].hex()}, seed {seed}, number {i}")
        tally.done += 1
        tally.answered += is_taken
        tally.silent += not is_taken
        if i % keep_each == 0:
            tally.samples.append((packet[:size], HOSTS[which], (rest[:left], client_text(&peer)) if is_taken else None))
        free(packet)
    return tally


cdef Entry *keyed(const Entry *entry, const Question *q, uint64_t hashed) noexcept nogil:
    cdef Entry *made = new_entry(q.key_size, entry.records_size, entry.ttl_count, entry.errors_size, entry.leads_size)
    memcpy(made.key, q.key, q.key_size)
    memcpy(made.records, entry.records, entry.records_size)
    memcpy(made.ttls, entry.ttls, entry.ttl_count * 8)
    memcpy(made.errors, entry.errors, entry.errors_size)
    memcpy(made.leads, entry.leads, entry.leads_size)
    memcpy(made.counts, entry.counts, sizeof(entry.counts))
    made.rcode, made.authentic, made.negative, made.hash = entry.rcode, entry.authentic, entry.negative, hashed
    made.qtype, made.do_, made.cd = q.qtype, q.do_, 0
    return made


cdef const char *wrong_entry(const Entry *entry) noexcept nogil:
    """Return what is wrong with an entry, NULL if nothing is."""
    cdef uint32_t i, at = 0
    for i in range(entry.ttl_count):
        if <uint64_t>entry.ttls[i * 2] + 4 > entry.records_size or entry.ttls[i * 2 + 1] > 0x7FFFFFFF:
            return b"a TTL lies outside of the records"
    while at + 2 <= entry.leads_size:
        if entry.leads[at] > LEAD_EXTRA_ADDRESS or (
            entry.leads[at] in (LEAD_ADDRESS, LEAD_EXTRA_ADDRESS) and entry.leads[at + 1] not in (4, 16)
        ):
            return b"it leads to what is no name and no address"
        at += 2 + entry.leads[at + 1]
    if at != entry.leads_size:
        return b"what it leads to is cut"
    return NULL


def responses(NativeEngine engine, NativeCache cache, Seeds seeds, uint64_t count, uint64_t seed, int keep_each):
    """Read `count` upstreams' answers, keep those that are ordinary in `cache`, and answer from them.

    Every `keep_each`-th message is kept for the twin.
    """
    cdef Tally tally = Tally()
    cdef Chance chance = Chance(state=seed | 1)
    cdef uint8_t message[MOST]
    cdef uint8_t asked[types.HEADER_SIZE + QUESTION_MOST + types.OPT_SIZE]
    cdef uint8_t *packet
    cdef uint8_t *question
    cdef uint8_t *out
    cdef uint32_t size, section, written, asked_size
    cdef Reading reading
    cdef uint64_t i, hashed
    cdef double now = 1000
    cdef Cursor c
    cdef Question q
    cdef Entry *entry
    cdef Entry *made
    cdef Result result
    cdef Passed passed
    cdef bint kept
    cdef const char *wrong = NULL
    for i in range(count):
        if i % CLOCK_STEPS == 0:
            now += <double>below(&chance, 90_000) / 1000
        size = seeds.next(&chance, message)
        c = cursor_over(message, size)
        take(&c, types.HEADER_SIZE)
        skip_name(&c)
        take(&c, 4)
        tally.done += 1
        section = size - c.left - types.HEADER_SIZE
        if c.failed or section > QUESTION_MOST:
            continue
        packet = <uint8_t *>malloc(size)
        memcpy(packet, message, size)
        if keep_each and i % keep_each == 0:
            tally.samples.append(packet[:size])
        entry = read_response(packet, size, section, packet, 0, draw(&chance) & 1, &reading)
        if entry == NULL:
            tally.declined += 1
            free(packet)
            continue
        wrong = wrong_entry(entry)
        memset(asked, 0, sizeof(asked))
        asked[2], asked[5] = 1, 1
        memcpy(asked + types.HEADER_SIZE, packet + types.HEADER_SIZE, section)
        asked_size = types.HEADER_SIZE + section
        if draw(&chance) & 1:
            asked[11] = 1
            asked[asked_size + 2] = 41
            asked[asked_size + 3] = <uint8_t>below(&chance, 5)
            asked[asked_size + 7] = <uint8_t>(draw(&chance) & 0x80)
            asked_size += 11
        question = <uint8_t *>malloc(asked_size)
        memcpy(question, asked, asked_size)
        if wrong == NULL and read_question(question, asked_size, <int>(draw(&chance) % KINDS), 0, &q):
            hashed = cache.hash_of(q.key, q.key_size, q.qtype, q.do_, False)
            made = keyed(entry, &q, hashed)
            kept = cache.keep(made, reading.lifetime, now)
            if kept and cache.find(hashed, q.key, q.key_size, q.qtype, q.do_, False, now) != made:
                wrong = b"what was kept is not found"
            if kept and (
                cache.find_stale(hashed, q.key, q.key_size, q.qtype, q.do_, False, now) != NULL
                or cache.find_stale(hashed, q.key, q.key_size, q.qtype, q.do_, False, made.expires) != made
                or cache.find_stale(
                    hashed, q.key, q.key_size, q.qtype, q.do_, False, made.expires + cache.stale
                ) != NULL
            ):
                wrong = b"what has expired is found too soon, not at all, or for too long"
            out = <uint8_t *>malloc(q.limit)
            written = 0
            passed.hit, passed.tiers, passed.until = -1, draw(&chance) & 7 == 0, engine.second + below(&chance, 400)
            passed.passing, passed.rule = draw(&chance) & 7 == 0, undecided()
            result = engine._from_entry(&q, made, 0 if q.limit < types.MAX_TCP else 1, &passed, below(&chance, 3),
                                        out, &written, now + below(&chance, 100))
            if result == ANSWERED:
                tally.answered += 1
                if wrong == NULL:
                    wrong = wrong_answer(&q, question, out, written)
            elif result == SILENT:
                tally.silent += 1
            if not kept:
                free(made)
            free(out)
        free(question)
        free(entry)
        if wrong != NULL:
            text = f"{wrong.decode()}: {packet[:size].hex()}, seed {seed}, number {i}"
            free(packet)
            raise AssertionError(text)
        free(packet)
    return tally


def lookups(Table table, keys, addresses):
    """Decide about names and addresses, each in memory of its size; give how many were listed, and found broken."""
    cdef uint8_t *octets
    cdef uint32_t size
    cdef Decision found
    cdef uint64_t listed = 0, broken = 0
    cdef uint64_t read = 0
    cdef bytes given
    for kind, wanted in enumerate((keys, addresses)):
        for given in wanted:
            size = len(given)
            octets = <uint8_t *>malloc(size)
            memcpy(octets, <const char *>given, size)
            if kind == 0:
                found = table.decide_key(octets, size)
            else:
                found = table.decide_address(octets, size)
            if found.ruling == RULED_BROKEN:
                broken += 1
            elif found.ruling != RULED_NONE:
                listed += found.ruling == RULED_LISTED
                assert found.order < table.orders, "an order that is not there"
                if found.entry != NULL:  # what an answer would be made of is read
                    for i in range(found.entry_size):
                        read += found.entry[i]
            free(octets)
    return listed, broken


cdef class Traffic:
    """Clients and an upstream round an engine, by sockets: `client` is connected to the engine's, `upstream` is bound."""

    cdef NativeEngine engine
    cdef Seeds questions
    cdef Seeds answers
    cdef int client
    cdef int upstream
    cdef Chance chance
    cdef readonly uint64_t sent
    cdef readonly uint64_t heard
    cdef readonly uint64_t asked
    cdef readonly uint64_t told
    cdef readonly uint64_t held_back
    cdef readonly list answered
    cdef list held
    cdef sockaddr_storage held_from[HELD]
    cdef socklen_t held_sizes[HELD]

    def __init__(self, engine, questions, answers, client, upstream, uint64_t seed):
        self.engine, self.questions, self.answers = engine, questions, answers
        self.client, self.upstream = client.fileno(), upstream.fileno()
        self.chance.state = seed | 1
        self.answered = []
        self.held = [None] * HELD

    def follow(self, upstream):
        """Answer from another socket from now on."""
        self.upstream = upstream.fileno()

    def ask(self, int count):
        """Send questions."""
        cdef uint8_t message[MOST]
        cdef int _i
        cdef uint32_t size
        for _i in range(count):
            size = self.questions.copy(&self.chance, message)
            if size > 20 and message[types.HEADER_SIZE] >= 2 and draw(&self.chance) & 1:  # another name of those that end so
                message[types.HEADER_SIZE + 1] = <uint8_t>(97 + below(&self.chance, 26))
                message[types.HEADER_SIZE + 2] = <uint8_t>(97 + below(&self.chance, 26))
            if draw(&self.chance) & 7 == 0:
                size = self.questions.mutate(&self.chance, message, size)
            if size >= 2:
                message[0], message[1] = <uint8_t>draw(&self.chance), <uint8_t>draw(&self.chance)
            self.sent += send(self.client, message, size, MSG_DONTWAIT) >= 0

    def tell(self, int count, uint32_t silent_in_16):
        """Answer at most `count` of what reached the upstream, some much later, in all ways that it or another may."""
        cdef uint8_t query[MOST]
        cdef sockaddr_storage address
        cdef socklen_t address_size
        cdef ssize_t got
        cdef uint32_t which
        cdef int _n
        cdef Cursor c
        cdef bytes later
        for _n in range(count):
            address_size = sizeof(address)
            got = recvfrom(self.upstream, query, MOST, MSG_DONTWAIT, <sockaddr *>&address, &address_size)
            if got < 0:
                break
            self.asked += 1
            assert got >= types.HEADER_SIZE + 5 and query[5] == 1, "the engine asks what is no question"
            c = cursor_over(query, <uint32_t>got)
            take(&c, types.HEADER_SIZE)
            skip_name(&c)
            take(&c, 4)
            assert not c.failed and (c.left == 0 or c.left >= types.OPT_SIZE), "the engine asks what is no question"
            if below(&self.chance, 16) >= silent_in_16:
                self._tell_one(query, <uint32_t>got, &address, address_size)
                continue
            which = below(&self.chance, HELD)
            self.held[which] = query[:got]
            self.held_from[which] = address
            self.held_sizes[which] = address_size
        for _n in range(4):
            which = below(&self.chance, HELD)
            later = self.held[which]
            if later is not None:
                self._tell_one(
                    <const uint8_t *><const char *>later, <uint32_t>len(later), &self.held_from[which],
                    self.held_sizes[which],
                )
                self.held[which] = None
                self.held_back += 1

    cdef void _tell_one(
        self, const uint8_t *query, uint32_t got, const sockaddr_storage *address, socklen_t address_size
    ) noexcept nogil:
        """Answer a question that reached the upstream."""
        cdef uint8_t message[MOST]
        cdef uint32_t size, section, which, _i
        cdef Cursor c = cursor_over(query, got)
        take(&c, types.HEADER_SIZE)
        skip_name(&c)
        take(&c, 4)
        section = got - types.HEADER_SIZE - c.left
        # An answer of the corpus whose question has that size fits behind any question of that size.
        for _i in range(64):
            which = below(&self.chance, self.answers.count)
            if self.answers.sizes[which] >= types.HEADER_SIZE + section and self._fits(which, section):
                break
        size = self.answers.sizes[which]
        memcpy(message, self.answers.octets[which], size)
        if size < types.HEADER_SIZE + section:
            size = types.HEADER_SIZE + section
        memcpy(message + types.HEADER_SIZE, query + types.HEADER_SIZE, section)
        if below(&self.chance, 4) == 0:
            size = self.answers.mutate(&self.chance, message, size)
        elif below(&self.chance, 16) == 0:  # a header alone, or with the question, and an error
            memset(message + 4, 0, 8)
            message[2], message[3] = 0x80, <uint8_t>(0x80 | 1 + below(&self.chance, 11))
            size = types.HEADER_SIZE
            if draw(&self.chance) & 1:
                message[5] = 1
                size += section
        memcpy(message, query, 2)
        if below(&self.chance, 16) == 0:  # strays: wrong IDs, then the right one
            for _i in range(below(&self.chance, 40)):
                message[1] ^= <uint8_t>(1 + below(&self.chance, 255))
                sendto(self.upstream, message, size, MSG_DONTWAIT, <const sockaddr *>address, address_size)
            message[1] = query[1]
        for _i in range(1 + (below(&self.chance, 8) == 0)):
            self.told += sendto(
                self.upstream, message, size, MSG_DONTWAIT, <const sockaddr *>address, address_size
            ) >= 0

    cdef bint _fits(self, uint32_t which, uint32_t section) noexcept nogil:
        cdef Cursor c = cursor_over(self.answers.octets[which], self.answers.sizes[which])
        take(&c, types.HEADER_SIZE)
        skip_name(&c)
        take(&c, 4)
        return not c.failed and self.answers.sizes[which] - c.left == types.HEADER_SIZE + section

    def hear(self):
        """Take the answers into `answered`, and check what can be checked without their questions."""
        cdef uint8_t message[MOST]
        cdef ssize_t got
        cdef Cursor c
        cdef uint32_t records, _i, questions
        while True:
            got = recv(self.client, message, MOST, MSG_DONTWAIT)
            if got < 0:
                return
            self.heard += 1
            self.answered.append(message[:got])
            assert got <= 1232, "an answer is longer than any question allows"
            c = cursor_over(message, <uint32_t>got)
            take(&c, 2)
            assert take_u16(&c) & 0x8000, "what was sent is no answer"
            questions = take_u16(&c)
            records = take_u16(&c)
            records += take_u16(&c)
            records += take_u16(&c)
            if questions:
                skip_name(&c)
                take(&c, 4)
            for _i in range(records):
                skip_name(&c)
                take(&c, 8)
                take(&c, take_u16(&c))
            assert not c.failed and c.left == 0, message[:got].hex()


cdef extern from "<malloc.h>" nogil:
    struct Heap "mallinfo2":
        size_t uordblks
        size_t hblkhd

    Heap mallinfo2()


def heap():
    """Return the number of octets allocated now; 0 under a sanitizer, which has a heap of its own."""
    cdef Heap info = mallinfo2()
    return info.uordblks + info.hblkhd
