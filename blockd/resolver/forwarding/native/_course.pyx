# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""The course of a flight in C: which upstream is asked next, and when; `flights.py` is its twin, and says why."""

from libc.math cimport INFINITY
from libc.stdint cimport uint8_t, uint16_t, uint32_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset

from blockd.resolver._numbers cimport MAX_ASKED
from blockd.resolver._zone_table cimport NativeZoneTable
from blockd.resolver.forwarding.health cimport Health, choose
from blockd.resolver.forwarding.health import SILENT, UNREACHABLE
from blockd.resolver.forwarding.native._flights cimport DOUBT_CASE, DOUBT_COOKIE, NOWHERE, Asker

cdef enum:
    DUE_AT_ONCE = 512  # flights gone on with in one turn, if it has time for them

cdef int _SILENT = SILENT
cdef int _UNREACHABLE = UNREACHABLE


cdef inline bytes bytes_of(const Asker *asker):
    return asker.octets[:asker.size]


cdef inline bint may_be_lost(const Try *one) noexcept nogil:
    """Return whether asking the same again may help: a datagram is lost now and then, what a stream carries is not."""
    return not one.stream.is_open or one.doubt == DOUBT_CASE or one.doubt == DOUBT_COOKIE


cdef class Course(Links):
    """The groups of upstreams, and the next step of each flight, besides what `Links` says.

    `groups` has (zone's key, places of upstreams) of each; one of them is that of the root.
    """

    def __init__(self, upstreams, groups, options, ask_stream):
        cdef int i, place
        Links.__init__(self, upstreams, options, ask_stream)
        self.timeout = options.timeout
        self.attempts = min(options.attempts, MAX_ASKED)
        self.floods = options.floods
        self.groups = <Group *>calloc(len(groups) + 1, sizeof(Group))
        if self.groups == NULL:
            raise MemoryError
        self.zones = NativeZoneTable([zone for zone, _ in groups])
        if self.zones.find(b"") < 0:
            raise ValueError("no group is that for all names")
        self.group_healths = [[self.healths[place] for place in places] for _, places in groups]
        for i in range(len(groups)):
            if len(groups[i][1]) > MAX_MEMBERS:
                raise ValueError("there are too many upstreams in one group")
            for place in groups[i][1]:
                self.groups[i].members[self.groups[i].count] = <uint16_t>place
                self.groups[i].count += 1

    def __dealloc__(self):
        free(self.groups)

    # What a subclass does.

    cdef int fail(self, Flight *flight, bint is_remembered, double now) except -1:
        """End a flight for which nothing is left to be done."""
        self.flights.release(flight)
        return 0

    cdef int answer_stale(self, Flight *flight, double now) except -1:
        """Answer who waits for a flight with what is left in the cache, at its `stale_at`."""
        return 0

    cdef int _group_of(self, const uint8_t *key, uint32_t size) noexcept nogil:
        """Return the group with the longest zone that a name is at or under."""
        return self.zones.find_key(key, size)

    cdef bint fails_alone(self, const Flight *flight) except *:
        """Return whether it is this question that fails, and not all that its upstreams are asked."""
        cdef const Try *one
        cdef int i
        if flight.is_about_name:
            return True
        for i in range(flight.tries_made):
            one = &flight.tries[i]
            if one.is_open and (<Health>self.healths[one.upstream]).is_heard_since(one.sent):
                return True
        return False

    cdef int doubt(self, Flight *flight, double now) except -1:
        """Count a flight among those below its domain that take long, until it ends."""
        if not flight.doubted and self.floods.rate > 0:
            flight.doubted = self.floods.note_doubt(flight.key[:flight.key_size], bytes_of(&flight.asker), now)
        return 0

    cdef int end_doubt(self, Flight *flight) except -1:
        if flight.doubted:
            self.floods.end_doubt(flight.key[:flight.key_size], bytes_of(&flight.asker), flight.doubted)
            flight.doubted = 0
        return 0

    cdef int count_failure(self, Flight *flight, double now) except -1:
        """Count a flight that has ended among those that fail below its domain, once."""
        self.end_doubt(flight)
        if not flight.counted and self.floods.rate > 0:
            flight.counted = self.floods.note_failure(flight.key[:flight.key_size], bytes_of(&flight.asker), now)
        return 0

    cdef int note_answer(self, Flight *flight, bint fails, double now) except -1:
        """Count a flight that has been answered, with NXDOMAIN if it `fails`; else it counts no more."""
        if fails:
            return self.count_failure(flight, now)
        self.end_doubt(flight)
        if flight.counted:
            self.floods.take_back(flight.key[:flight.key_size], bytes_of(&flight.asker), flight.counted)
            flight.counted = 0
        return 0

    # What is asked next.

    cdef int go_on(self, Flight *flight, double now) except -1:
        """Ask the next upstream that has not been asked; if there is none, wait for those that were."""
        cdef int member
        while not flight.is_late and flight.tries_made < self.attempts:
            member = choose(<list>self.group_healths[flight.group], flight.tried)
            if member < 0:
                break
            if self._ask(flight, member, False, now):
                return 0
        return self._wait(flight, now)

    cdef Try *_new_try(self, Flight *flight, int upstream, int member, bint is_plain) noexcept nogil:
        cdef Try *one = &flight.tries[flight.tries_made]
        memset(one, 0, sizeof(Try))
        flight.tries_made += 1
        one.flight, one.upstream, one.member = flight, <uint16_t>upstream, <uint8_t>member
        one.is_plain = is_plain
        return one

    cdef bint _ask(self, Flight *flight, int member, bint is_plain, double now) except *:
        """Ask one upstream of the group; return whether that was possible."""
        cdef int upstream = self.groups[flight.group].members[member]
        cdef Health health = <Health>self.healths[upstream]
        if flight.tries_made and self.fails_alone(flight):
            self.doubt(flight, now)
        flight.tried |= <uint32_t>1 << member
        flight.again = NOWHERE
        flight.is_struck = False
        health.note_asked()
        if not self.send(self._new_try(flight, upstream, member, is_plain), now):
            health.note_failure(_UNREACHABLE, now)
            return False
        self._plan(flight, now + health.patience())
        return True

    cdef int _wait(self, Flight *flight, double now) except -1:
        """Ask again later whom nothing was heard of; if every upstream has said or shown that it fails, so it is."""
        cdef double due = flight.deadline
        cdef uint32_t others = 0xFFFFFFFF
        cdef int i, count = 0
        flight.is_struck = False
        for i in range(flight.tries_made):
            if flight.tries[i].is_open:
                if may_be_lost(&flight.tries[i]):
                    others &= ~(<uint32_t>1 << flight.tries[i].member)
                count += 1
        if flight.is_late:
            if count == 0:
                self.flights.release(flight)
            else:
                self.flights.plan(flight, flight.ends)
            return 0
        if count == 0:
            return self.fail(flight, True, now)
        if flight.tries_made < self.attempts:
            flight.again = choose(<list>self.group_healths[flight.group], others)
            if flight.again >= 0:
                count = 0
                for i in range(flight.tries_made):
                    if flight.tries[i].member == flight.again and flight.tries[i].is_sent:
                        due = flight.tries[i].sent
                        count += 1
                due += (<Health>self.healths[self.groups[flight.group].members[flight.again]]).patience_alone(count)
        self._plan(flight, due)
        return 0

    cdef int _plan(self, Flight *flight, double due) noexcept nogil:
        """Look at a flight again when something is due, at the latest when its time is over."""
        flight.next = due
        due = min(due, flight.deadline)
        self.flights.plan(flight, min(due, flight.stale_at))
        return 0

    cdef int _strike(self, Flight *flight, double now) noexcept nogil:
        """Go on with a flight as soon as `run_due` is called."""
        flight.is_struck = True
        self.flights.plan(flight, min(now, flight.due))
        return 0

    cdef int run_due(self, double now) except -1:
        """Go on with the flights that are due, in this turn or the next ones."""
        cdef int _i
        for _i in range(DUE_AT_ONCE):
            if self.flights.heap_size == 0 or self.flights.heap[0].due > now:
                return 0
            self._look_at(self.flights.heap[0], now)
            if self.is_over():
                break
        self.go_on_soon()
        return 0

    cdef int tick(self, double now) except -1:
        self.run_due(now)
        return Links.tick(self, now)

    cdef int give_up_refused(self, double now) except -1:
        Links.give_up_refused(self, now)
        return self.run_due(now)

    cdef int _look_at(self, Flight *flight, double now) except -1:
        """Do what is due."""
        cdef int fresh
        if flight.is_late:
            if now >= flight.ends:
                self.flights.release(flight)
                return 0
            return self._wait(flight, now)
        if now >= flight.deadline:
            return self.fail(flight, True, now)
        if now >= flight.stale_at:
            flight.stale_at = INFINITY
            self.answer_stale(flight, now)
        if flight.is_struck:
            return self.go_on(flight, now)
        if now < flight.next:
            self._plan(flight, flight.next)
        elif flight.again >= 0 and self._is_in_flood(flight, now):
            flight.again = NOWHERE
            self._plan(flight, flight.deadline)
        elif flight.again >= 0:
            fresh = choose(<list>self.group_healths[flight.group], flight.tried)
            if fresh < 0:
                fresh = flight.again
                self._doubt_no_more(flight, now)
            if not self._ask(flight, fresh, False, now):
                return self.go_on(flight, now)
        elif self._may_ask_another(flight, now):
            return self.go_on(flight, now)
        else:
            return self._wait(flight, now)
        return 0

    cdef bint _is_in_flood(self, Flight *flight, double now) except *:
        """Return whether a question that has not been answered is not worth another one."""
        if self.fails_alone(flight):
            self.doubt(flight, now)
        if now > self.floods.flooded_until and self.floods.doubts <= self.floods.threshold:
            return False
        return self.floods.is_flooded(flight.key[:flight.key_size], bytes_of(&flight.asker), now)

    cdef int _doubt_no_more(self, Flight *flight, double now) except -1:
        """If the upstream that is asked again was asked over TCP because of a doubt, that did not help."""
        cdef int i
        for i in range(flight.tries_made):
            if flight.tries[i].is_open and flight.tries[i].member == flight.again:
                self.stop_doubting(&flight.tries[i], now)
        return 0

    cdef bint _may_ask_another(self, Flight *flight, double now) except *:
        """Return whether the next upstream is asked now that patience with the last one is over.

        If something was heard of it meanwhile, it is this name that is slow, for which few others are asked.
        """
        cdef Try *last = &flight.tries[flight.tries_made - 1]
        cdef Health health = <Health>self.healths[last.upstream]
        if not last.is_open:
            return True
        if not health.is_heard_since(last.sent):
            health.note_failure(_SILENT, now)
            return True
        if flight.tries_made >= self.attempts:
            return False
        return choose(<list>self.group_healths[flight.group], flight.tried) >= 0 and health.take_hedge()
