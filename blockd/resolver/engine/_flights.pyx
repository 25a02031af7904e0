# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Questions in flight to an upstream: one flight for equal questions, from a random socket with a random ID.

Every response must match the socket, the ID, and the question (RFC 5452 section 9.1).
"""

from libc.errno cimport EAGAIN, ENOBUFS, errno
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcmp, memcpy, memset

from blockd.dns cimport _types as types
from blockd.dns._cursor cimport folded, read_u16, write_u16, write_u32
from blockd.resolver._numbers cimport MAX_IN_FLIGHT
from blockd.resolver.engine._outbox cimport Peer
from blockd.resolver.engine._sockets cimport MSG_DONTWAIT, getrandom, send

cdef enum:
    ID_TRIES = 64


cdef class Flights:
    """The flights of one worker."""

    def __dealloc__(self):
        while self.soonest != NULL:
            self.release(self.soonest)

    def use(self, descriptors):
        """Send from these connected, non-blocking UDP sockets from now on; no question may be in flight."""
        cdef int i
        if self.count or len(descriptors) > MAX_SOCKETS:
            raise ValueError("questions are in flight, or there are too many sockets")
        self.sockets = len(descriptors)
        self.resting = -1
        self.any_refused = False
        for i in range(self.sockets):
            self.descriptors[i] = descriptors[i]
            self.flying[i] = self.strays[i] = 0
            self.refused[i] = False

    def rest(self, int index):
        """Send nothing more from one socket, so that it becomes idle under any load; use the one that rested again."""
        self.resting = index if self.sockets > 1 and 0 <= index < self.sockets else -1

    def idle(self, int index):
        """Return whether a socket has no flights."""
        return not 0 <= index < self.sockets or self.flying[index] == 0

    def replace(self, int index, int descriptor):
        """Replace a socket, which must be idle, by another one."""
        if not 0 <= index < self.sockets or not self.idle(index):
            raise ValueError("there is no such socket, or it has questions in flight")
        self.descriptors[index] = descriptor
        self.refused[index] = False

    cdef int _chosen(self, uint32_t random) noexcept nogil:
        """Return the socket that a random number chooses among those that do not rest."""
        cdef uint32_t index
        if self.resting < 0:
            return <int>(random % <uint32_t>self.sockets)
        index = random % <uint32_t>(self.sockets - 1)
        return <int>index if index < <uint32_t>self.resting else <int>index + 1

    cdef bint _draw(self, uint32_t *random) noexcept nogil:
        """Write 32 unpredictable bits; False if there are none."""
        if self.random_left == 0:
            if getrandom(self.random, sizeof(self.random), 0) != sizeof(self.random):
                return False
            self.random_left = RANDOM_WORDS
        self.random_left -= 1
        random[0] = self.random[self.random_left]
        return True

    cdef Flight *find(
        self, uint64_t hashed, const uint8_t *key, uint32_t size, uint16_t qtype, bint do_, bint cd
    ) noexcept nogil:
        """Return the flight that asks this question, NULL if there is none."""
        cdef Flight *flight = self.by_hash[hashed & (HASH_PLACES - 1)]
        while flight != NULL:
            if (
                flight.hash == hashed and flight.qtype == qtype and flight.do_ == do_ and flight.cd == cd
                and flight.key_size == size and memcmp(flight.key, key, size) == 0
            ):
                return flight
            flight = flight.chain
        return NULL

    cdef Flight *launch(
        self, uint64_t hashed, const uint8_t *key, uint32_t size, uint16_t qtype, bint do_, bint cd, double now
    ) noexcept nogil:
        """Send a question; NULL if it cannot be sent."""
        cdef uint8_t message[types.HEADER_SIZE + 264 + types.OPT_SIZE]
        cdef Flight *flight
        cdef uint32_t random = 0, at, length, out
        cdef int _try
        cdef uint8_t *p
        if self.sockets == 0 or self.count >= MAX_IN_FLIGHT:
            return NULL
        flight = <Flight *>malloc(sizeof(Flight))
        if flight == NULL:
            return NULL
        for _try in range(ID_TRIES):
            if not self._draw(&random):
                free(flight)
                return NULL
            flight.id = <uint16_t>random
            if self.by_id[flight.id] == NULL:
                break
        else:
            free(flight)
            return NULL
        flight.socket = self._chosen(random >> 16)
        flight.hash = hashed
        flight.qtype, flight.do_, flight.cd = qtype, do_, cd
        flight.sent = now
        flight.first = flight.last = NULL
        flight.waiters = 0
        flight.key_size = size
        memcpy(flight.key, key, size)
        # The name has the labels the other way round: each label's place from the end is its place in the key.
        at = 0
        while at < size:
            length = 1 + key[at]
            memcpy(flight.question + size - at - length, key + at, length)
            at += length
        flight.question[size] = 0
        write_u16(flight.question + size + 1, qtype)
        write_u16(flight.question + size + 3, types.CLASS_IN)
        flight.question_size = size + 5
        memset(message, 0, types.HEADER_SIZE)
        write_u16(message, flight.id)
        write_u16(message + 2, types.RD | types.AD | (types.CD if cd else 0))
        message[5] = 1
        message[11] = 1
        memcpy(message + types.HEADER_SIZE, flight.question, flight.question_size)
        out = types.HEADER_SIZE + flight.question_size
        p = message + out
        p[0] = 0
        write_u16(p + 1, types.OPT)
        write_u16(p + 3, types.MAX_UDP)
        write_u32(p + 5, types.EDNS_DO if do_ else 0)
        write_u16(p + 9, 0)
        if send(self.descriptors[flight.socket], message, out + types.OPT_SIZE, MSG_DONTWAIT) < 0:
            if errno != EAGAIN and errno != ENOBUFS:  # an error about an earlier message, which is reported only once
                self.refused[flight.socket] = self.any_refused = True
            free(flight)
            return NULL
        self.by_id[flight.id] = flight
        self.flying[flight.socket] += 1
        flight.chain = self.by_hash[hashed & (HASH_PLACES - 1)]
        self.by_hash[hashed & (HASH_PLACES - 1)] = flight
        flight.later = NULL
        flight.sooner = self.latest
        if self.latest != NULL:
            self.latest.later = flight
        else:
            self.soonest = flight
        self.latest = flight
        self.count += 1
        self.launched += 1
        return flight

    cdef bint join(
        self, Flight *flight, const Peer *peer, int descriptor, const uint8_t *packet, uint32_t size
    ) noexcept nogil:
        """Add a waiter to a flight; False if there are too many."""
        cdef Waiter *waiter
        if size > MAX_PACKET or flight.waiters >= MAX_WAITERS or self.waiting >= MAX_WAITING:
            return False
        waiter = <Waiter *>malloc(sizeof(Waiter) + size)
        if waiter == NULL:
            return False
        waiter.next = NULL
        memcpy(&waiter.peer, peer, sizeof(Peer))
        waiter.descriptor = descriptor
        waiter.size = size
        memcpy(waiter.packet, packet, size)
        if flight.last != NULL:
            flight.last.next = waiter
        else:
            flight.first = waiter
        flight.last = waiter
        flight.waiters += 1
        self.waiting += 1
        return True

    cdef Flight *landed(self, int socket, const uint8_t *message, uint32_t size) noexcept nogil:
        """Return and remove the flight that a message answers; NULL if it answers none, which is counted."""
        cdef Flight *flight = self._answered(socket, message, size)
        if flight != NULL:
            self.unlink(flight)
        elif self.flying[socket]:
            self.strays[socket] += 1
        return flight

    cdef Flight *_answered(self, int socket, const uint8_t *message, uint32_t size) noexcept nogil:
        cdef Flight *flight
        cdef uint32_t i, name
        if size < types.HEADER_SIZE:
            return NULL
        flight = self.by_id[read_u16(message)]
        if flight == NULL or flight.socket != socket:
            return NULL
        if not message[2] & 0x80 or message[2] & 0x78 or read_u16(message + 4) != 1:
            return NULL
        if size < types.HEADER_SIZE + flight.question_size:
            return NULL
        name = flight.question_size - 4
        for i in range(name):
            if folded(message[types.HEADER_SIZE + i]) != flight.question[i]:
                return NULL
        if memcmp(message + types.HEADER_SIZE + name, flight.question + name, 4) != 0:
            return NULL
        return flight

    cdef void unlink(self, Flight *flight) noexcept nogil:
        """Remove a flight; its waiters stay with it."""
        cdef Flight **place = &self.by_hash[flight.hash & (HASH_PLACES - 1)]
        while place[0] != flight:
            place = &place[0].chain
        place[0] = flight.chain
        self.by_id[flight.id] = NULL
        self.flying[flight.socket] -= 1
        if self.flying[flight.socket] == 0:
            self.strays[flight.socket] = 0
        if flight.sooner != NULL:
            flight.sooner.later = flight.later
        else:
            self.soonest = flight.later
        if flight.later != NULL:
            flight.later.sooner = flight.sooner
        else:
            self.latest = flight.sooner
        self.count -= 1

    cdef void release(self, Flight *flight) noexcept nogil:
        """Free a flight and its waiters; it is removed first if necessary."""
        cdef Waiter *waiter = flight.first
        cdef Waiter *after
        if self.by_id[flight.id] == flight:
            self.unlink(flight)
        while waiter != NULL:
            after = waiter.next
            free(waiter)
            waiter = after
        self.waiting -= flight.waiters
        free(flight)
