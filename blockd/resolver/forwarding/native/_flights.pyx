# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Questions in flight: one flight for equal questions, with its tries, who waits for it, and when something is due.

A flight that its waiters have left stays as a late one for a while: its answer is still worth having.
"""

from libc.math cimport INFINITY
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcmp, memcpy, memset

from blockd.dns cimport _types as types
from blockd.dns._cursor cimport write_u16
from blockd.resolver._ages cimport put_newest, take_out
from blockd.resolver.engine._outbox cimport Peer
from blockd.resolver.forwarding.native._chance cimport draw
from blockd.resolver.forwarding.native._ports cimport Port

cdef enum:
    ID_TRIES = 64


cdef class Flights:
    """The flights of one worker, whose questions leave by `ports` or by streams."""

    def __cinit__(self, Ports ports, int upstreams):
        self.ports = ports
        self.flying = <int *>calloc(upstreams + 1, sizeof(int))
        self.heap = <Flight **>calloc(MAX_FLIGHTS, sizeof(Flight *))
        if self.heap == NULL or self.flying == NULL:
            raise MemoryError

    def __dealloc__(self):
        cdef int i
        cdef Flight *flight
        cdef Waiter *waiter
        for i in range(self.heap_size):  # the ports are gone, perhaps: nothing is unlinked
            self._free(self.heap[i])
        while self.spare_flights != NULL:
            flight, self.spare_flights = self.spare_flights, self.spare_flights.chain
            free(flight)
        while self.spare_waiters != NULL:
            waiter, self.spare_waiters = self.spare_waiters, self.spare_waiters.next
            free(waiter)
        free(self.heap)
        free(self.flying)

    cdef Flight *find(
        self, uint64_t hashed, const uint8_t *key, uint32_t size, uint16_t qtype, bint do_, bint cd
    ) noexcept nogil:
        """Return the flight that asks this question and that may be joined, NULL if there is none."""
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
        """Return a new flight without tries, which is due when `plan` says; NULL if there is no room."""
        cdef Flight *flight
        cdef uint32_t at, length
        if self.heap_size >= MAX_FLIGHTS:
            return NULL
        if self.spare_flights != NULL and 2 * size + 5 <= ROOM:
            flight = self.spare_flights
            self.spare_flights = flight.chain
            self.spare_flight_count -= 1
        else:
            flight = <Flight *>malloc(sizeof(Flight) + max(2 * size + 5, <uint32_t>ROOM))
        if flight == NULL:
            return NULL
        memset(flight, 0, <char *>&flight.tries - <char *>flight)  # a try is cleared when it is made
        flight.hash, flight.qtype, flight.do_, flight.cd = hashed, qtype, do_, cd
        flight.started = now
        flight.key = flight.octets
        flight.key_size = size
        flight.question = flight.octets + size
        flight.question_size = size + 5
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
        flight.chain = self.by_hash[hashed & (HASH_PLACES - 1)]
        self.by_hash[hashed & (HASH_PLACES - 1)] = flight
        put_newest(&self.ages, &flight.age)
        self.count += 1
        self.launched += 1
        flight.due = INFINITY
        flight.heap_at = self.heap_size
        self.heap[self.heap_size] = flight
        self.heap_size += 1
        return flight

    cdef bint join(
        self, Flight *flight, const Peer *peer, int descriptor, const uint8_t *packet, uint32_t size, uint64_t number,
        uint32_t keepalive,
    ) noexcept nogil:
        """Add a waiter to a flight; False if there are too many.

        Those that ask the same keep nobody from asking something else.
        """
        cdef Waiter *waiter
        if size > MAX_PACKET or flight.waiters >= (MAX_WAITERS if self.waiting < MANY_WAITING else FEW_WAITERS):
            return False
        if self.spare_waiters != NULL and size <= ROOM:
            waiter = self.spare_waiters
            self.spare_waiters = waiter.next
            self.spare_waiter_count -= 1
        else:
            waiter = <Waiter *>malloc(sizeof(Waiter) + max(size, <uint32_t>ROOM))
        if waiter == NULL:
            return False
        waiter.next = NULL
        waiter.descriptor, waiter.size = descriptor, size
        waiter.number, waiter.keepalive = number, keepalive
        if descriptor != NUMBERED:
            memcpy(&waiter.peer, peer, sizeof(Peer))
            memcpy(waiter.packet, packet, size)
        if flight.last != NULL:
            flight.last.next = waiter
        else:
            flight.first = waiter
        flight.last = waiter
        flight.waiters += 1
        self.waiting += 1
        return True

    cdef bint listen(self, Ear *ear, Try *of, int place) noexcept nogil:
        """Choose an ID that is not in use at a port or on the upstream's stream, and listen for it; False for none."""
        cdef uint32_t random = 0
        cdef int _try
        cdef Port *port
        for _try in range(ID_TRIES):
            if not draw(&self.chance, &random):
                return False
            ear.id = <uint16_t>random
            if self.matched(place, of.upstream, ear.id) == NULL:
                break
        else:
            return False
        ear.of, ear.place, ear.is_open = of, place, True
        ear.same_place = self.by_id[ear.id & (ID_PLACES - 1)]
        self.by_id[ear.id & (ID_PLACES - 1)] = ear
        if place != NOWHERE:
            port = &self.ports.ports[place]
            port.flying += 1
            put_newest(&port.ears, &ear.age)
        return True

    cdef void leave(self, Ear *ear) noexcept nogil:
        """Listen at a place no longer."""
        cdef Ear **place = &self.by_id[ear.id & (ID_PLACES - 1)]
        cdef Port *port
        if not ear.is_open:
            return
        ear.is_open = False
        while place[0] != ear:
            place = &place[0].same_place
        place[0] = ear.same_place
        if ear.place == NOWHERE:
            return
        port = &self.ports.ports[ear.place]
        take_out(&port.ears, &ear.age)
        port.flying -= 1
        if port.flying == 0:
            port.strays = 0
            if port.is_leaving:
                self.ports.shut(ear.place)

    cdef bint mix(self, Try *one) noexcept nogil:
        """Choose the case of each letter of a try's name; False if there is no randomness."""
        cdef uint32_t random = 0, at
        for at in range(0, one.flight.key_size, 32):
            if not draw(&self.chance, &random):
                return False
            memcpy(one.cases + at // 8, &random, 4)
        one.is_mixed = True
        return True

    cdef void open(self, Try *one) noexcept nogil:
        """Count a try that was sent."""
        if not one.is_open:
            one.is_open = one.is_sent = True
            self.flying[one.upstream] += not one.flight.is_probe

    cdef void hush(self, Try *one) noexcept nogil:
        """Listen for a try's answer no longer."""
        self.leave(&one.port)
        self.leave(&one.stream)
        if one.is_open:
            one.is_open = False
            self.flying[one.upstream] -= not one.flight.is_probe and not one.is_heard

    cdef bint hear(self, Try *one) noexcept nogil:
        """Note that a message answers a try; return whether it is the first."""
        if one.is_heard:
            return False
        one.is_heard = True
        self.flying[one.upstream] -= one.is_open and not one.flight.is_probe
        return True

    cdef Try *matched(self, int place, int upstream, uint16_t id) noexcept nogil:
        """Return the try with this ID at a port or, with NOWHERE, on an upstream's stream; NULL if there is none."""
        cdef Ear *ear = self.by_id[id & (ID_PLACES - 1)]
        while ear != NULL and (ear.id != id or ear.place != place or ear.of.upstream != upstream):
            ear = ear.same_place
        return ear.of if ear != NULL else NULL

    cdef int open_tries(self, const Flight *flight) noexcept nogil:
        """Return how many tries of a flight are listened for."""
        cdef int i, count = 0
        for i in range(flight.tries_made):
            count += flight.tries[i].is_open
        return count

    cdef void plan(self, Flight *flight, double due) noexcept nogil:
        """Note when something is due for a flight."""
        cdef bint is_sooner = due < flight.due
        flight.due = due
        if is_sooner:
            self._rise(flight.heap_at)
        else:
            self._sink(flight.heap_at)

    cdef void retire(self, Flight *flight) noexcept nogil:
        """Make a flight a late one, without its waiters; the oldest late one goes if there are too many."""
        self.dismiss(flight)
        self._unlink(flight)
        flight.is_late = True
        put_newest(&self.late_ages, &flight.age)
        self.late += 1
        if self.late > MAX_LATE:
            self.release(<Flight *>self.late_ages.oldest)

    cdef void dismiss(self, Flight *flight) noexcept nogil:
        """Free the waiters of a flight."""
        cdef Waiter *waiter = flight.first
        cdef Waiter *after
        while waiter != NULL:
            after = waiter.next
            self.free_waiter(waiter)
            waiter = after
        self.waiting -= flight.waiters
        flight.first = flight.last = NULL
        flight.waiters = 0

    cdef void release(self, Flight *flight) noexcept nogil:
        """Remove and free a flight, its tries and its waiters."""
        cdef int i, at = flight.heap_at
        cdef Flight *last
        for i in range(flight.tries_made):
            self.hush(&flight.tries[i])
        self._unlink(flight)
        self.heap_size -= 1
        last = self.heap[self.heap_size]
        if last != flight:
            self.heap[at] = last
            last.heap_at = at
            self._rise(at)
            self._sink(last.heap_at)
        self._free(flight)

    cdef void _free(self, Flight *flight) noexcept nogil:
        cdef int i
        self.dismiss(flight)
        for i in range(flight.tries_made):
            free(flight.tries[i].text)
        free(flight.errors)
        if 2 * flight.key_size + 5 > ROOM or self.spare_flight_count >= KEPT:
            free(flight)
            return
        flight.chain = self.spare_flights
        self.spare_flights = flight
        self.spare_flight_count += 1

    cdef void free_waiter(self, Waiter *waiter) noexcept nogil:
        """Free a waiter that belongs to no flight, or keep its memory for the next one."""
        if waiter.size > ROOM or self.spare_waiter_count >= KEPT:
            free(waiter)
            return
        waiter.next = self.spare_waiters
        self.spare_waiters = waiter
        self.spare_waiter_count += 1

    cdef void tell(self, Try *one, const char *text, uint32_t size) noexcept nogil:
        """Keep what is to be said of a try."""
        free(one.text)
        one.text_size = 0
        one.text = <char *>malloc(size + 1)
        if one.text != NULL:
            memcpy(one.text, text, size)
            one.text_size = size

    cdef void _unlink(self, Flight *flight) noexcept nogil:
        """Take a flight out of the list that it is in."""
        cdef Flight **place
        if flight.is_late:
            take_out(&self.late_ages, &flight.age)
            self.late -= 1
            return
        place = &self.by_hash[flight.hash & (HASH_PLACES - 1)]
        while place[0] != flight:
            place = &place[0].chain
        place[0] = flight.chain
        take_out(&self.ages, &flight.age)
        self.count -= 1

    cdef void _rise(self, int at) noexcept nogil:
        """Restore the order of the heap above a place."""
        cdef Flight *flight = self.heap[at]
        cdef int above
        while at:
            above = (at - 1) // 2
            if self.heap[above].due <= flight.due:
                break
            self.heap[at] = self.heap[above]
            self.heap[at].heap_at = at
            at = above
        self.heap[at] = flight
        flight.heap_at = at

    cdef void _sink(self, int at) noexcept nogil:
        """Restore the order of the heap below a place."""
        cdef Flight *flight = self.heap[at]
        cdef int below
        while True:
            below = 2 * at + 1
            if below >= self.heap_size:
                break
            if below + 1 < self.heap_size and self.heap[below + 1].due < self.heap[below].due:
                below += 1
            if flight.due <= self.heap[below].due:
                break
            self.heap[at] = self.heap[below]
            self.heap[at].heap_at = at
            at = below
        self.heap[at] = flight
        flight.heap_at = at
