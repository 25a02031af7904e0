# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Forwarding in C: which upstream is asked for a question and when, what is made of its answer, what is remembered.

`forwarder.py` is its twin, and says why things are as they are. Who waits is answered by a subclass (`settle`).

It is one module, and longer than others may be: each step of a flight may lead to any other.
"""

import time

from blockd.errors import BadMessage
from blockd.resolver.response import parse

from libc.errno cimport EAGAIN, ECONNREFUSED, ENOBUFS, errno
from libc.math cimport INFINITY
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcmp, memcpy, memset, strlen

from blockd.dns cimport _types as types
from blockd.dns._cursor cimport read_u16, write_u16, write_u32
from blockd.resolver.engine._answering cimport Answering
from blockd.resolver.engine._cache cimport Entry
from blockd.resolver.engine._reading cimport read_response
from blockd.resolver.engine._sockets cimport MSG_DONTWAIT, monotonic, recv, send
from blockd.resolver._numbers cimport MAX_IN_FLIGHT, MAX_STRAYS
from blockd.resolver.forwarding._failures cimport Failure
from blockd.resolver.forwarding._flights cimport (
    MAX_TRIES, NOWHERE, NUMBERED, SAID_ANSWER, SAID_DISCONNECTED, SAID_MALFORMED, SAID_NOTHING, SAID_RCODE,
    SAID_RCODE_ALONE, SAID_STRAYS, SAID_UNREACHABLE,
)
from blockd.resolver.forwarding._ports cimport Port
from blockd.resolver.forwarding._replies cimport (
    FITS, FITS_ALONE, FITS_BUT_FOR_CASE, FITS_NOT, Extras, Fit, extras_of, fit_of, is_letter,
)
from blockd.resolver.forwarding._system cimport (
    CLOCK_MONOTONIC, EPOLL_CLOEXEC, TFD_CLOEXEC, TFD_NONBLOCK, blockd_set_timer, blockd_watch, close, epoll_create1,
    epoll_event, epoll_wait, read as read_timer, timerfd_create,
)
from blockd.resolver.forwarding._wording cimport explain
from blockd.resolver.forwarding.health cimport Health, choose, failure_kept
from blockd.resolver.forwarding.health import (
    DISCONNECTED, MALFORMED, REFUSING, SERVFAILING, SILENT, UNREACHABLE,
)

cdef enum:
    READY = 128  # upstream sockets read in one call, one message each, so that clients get their turn
    TIMER = 0xFFFFFFFF  # the timer's place among what is watched
    DUE_AT_ONCE = 512  # flights gone on with in one turn
    MAX_MESSAGE = types.HEADER_SIZE + 264 + types.OPT_SIZE
    FAST = 10_000_000  # nanoseconds between two looks at flights
    SLOW = 250_000_000  # the same while nothing is in flight

cdef double LATE = 10.0  # seconds after its last question for which a flight is listened to
cdef double RENEWAL = 0.05  # seconds after which the next socket gets another port
cdef double LINGER = 1.0  # seconds without a flight after which the timer becomes slow
cdef double OFF = 3600.0  # seconds for which an upstream is asked without mixed case if it does not keep it
cdef double WITHOUT_EDNS = 900.0  # seconds for which an upstream is asked without EDNS if it answers only so
cdef int _DISCONNECTED = DISCONNECTED
cdef int _MALFORMED = MALFORMED
cdef int _REFUSING = REFUSING
cdef int _SERVFAILING = SERVFAILING
cdef int _SILENT = SILENT
cdef int _UNREACHABLE = UNREACHABLE


cdef class Forwarding:
    """One worker's questions to upstreams.

    `upstreams` has (text, address, health) of each, the address None for one that is asked over a stream only; `groups`
    has (zone's key, places of upstreams) of each, that of the root last; `ask_stream(place, message)` asks over a
    stream. `counting` counts.
    """

    def __init__(self, Answering counting, upstreams, groups, options, ask_stream, clock):
        cdef int i
        if len(upstreams) > MAX_UPSTREAMS:
            raise ValueError("there are too many upstreams")
        self.counting = counting
        self.healths = [health for _, _, health in upstreams]
        self.timeout = options.timeout
        self.attempts = min(options.attempts, MAX_TRIES)
        self.mixed_case = options.mixed_case
        self._ask_stream_of = ask_stream
        self._clock = None if clock is time.monotonic else clock
        self.epoll = epoll_create1(EPOLL_CLOEXEC)
        self.timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC)
        if self.epoll < 0 or self.timer < 0 or blockd_watch(self.epoll, self.timer, TIMER) < 0:
            raise OSError(errno, "no timer can be had")
        if blockd_set_timer(self.timer, SLOW) < 0:
            raise OSError(errno, "no timer can be set")
        self.ports = Ports(self.epoll, [address for _, address, _ in upstreams], options.sockets, options.avoid_ports)
        self.flights = Flights(self.ports)
        self.failures = Failures()
        memset(self.remotes, 0, sizeof(self.remotes))
        self.remote_count = len(upstreams)
        self._texts = [text.encode() for text, _, _ in upstreams]
        for i in range(self.remote_count):
            self.remotes[i].is_stream = upstreams[i][1] is None
            self.remotes[i].text = <const uint8_t *><const char *><bytes>self._texts[i]
            self.remotes[i].text_size = len(<bytes>self._texts[i])
            self.remotes[i].case_off = self.remotes[i].opt_off = -INFINITY
        self._take_groups(groups)

    def _take_groups(self, groups):
        """Ask by these groups."""
        cdef int i, place
        self.groups = <Group *>calloc(len(groups) + 1, sizeof(Group))
        if self.groups == NULL:
            raise MemoryError
        self.group_count = len(groups)
        self._zones = [zone for zone, _ in groups]
        self.group_healths = [[self.healths[place] for place in places] for _, places in groups]
        for i in range(self.group_count):
            self.groups[i].key = <const uint8_t *><const char *><bytes>self._zones[i]
            self.groups[i].key_size = len(<bytes>self._zones[i])
            for place in groups[i][1]:
                self.groups[i].members[self.groups[i].count] = <uint8_t>place
                self.groups[i].count += 1

    def __dealloc__(self):
        free(self.groups)
        if self.timer > 0:
            close(self.timer)
        if self.epoll > 0:
            close(self.epoll)

    def land(self, int upstream, bytes message):
        """Take a message that came over an upstream's stream."""
        cdef double now = monotonic()
        cdef const uint8_t *octets = <const uint8_t *><const char *>message
        cdef uint32_t size = len(message)
        cdef Try *one
        cdef Fit fit
        if size < types.HEADER_SIZE or size > types.MAX_TCP:
            return
        one = self.flights.matched(NOWHERE, upstream, read_u16(octets))
        if one == NULL:
            return
        fit = fit_of(one, octets, size)
        if fit == FITS_NOT:
            self._give_up_try(one, SAID_MALFORMED, 0, _MALFORMED, now)
        else:
            self._land(one, octets, size, fit == FITS_ALONE, now)
        self._run_due(now)

    def stream_failed(self, int upstream, ids, bytes why):
        """Take word that some questions will not be answered over an upstream's stream, and why."""
        cdef double now = monotonic()
        cdef Try *one
        for identifier in ids:
            one = self.flights.matched(NOWHERE, upstream, identifier)
            if one == NULL:
                continue
            if one.is_mixed:  # TCP did not settle the doubt about the case of its name: it is asked without
                self.remotes[upstream].case_off = now + OFF
            self.flights.tell(one, <const char *>why, len(why))
            self._give_up_try(one, SAID_DISCONNECTED, 0, _DISCONNECTED, now)
        self._run_due(now)

    def probe(self, int upstream, bytes key, uint16_t qtype):
        """Ask an upstream a question of blockd's own; return whether it could be sent."""
        cdef double now = monotonic()
        cdef Flight *flight = self.flights.launch(
            0, <const uint8_t *><const char *>key, len(key), qtype, False, False, now
        )
        if flight == NULL:
            return False
        flight.is_probe = True
        flight.group = NOWHERE
        flight.deadline = flight.next = flight.stale_at = INFINITY
        flight.ends = now + LATE
        self.flights.retire(flight)
        self._hurry()
        if not self._send_to(flight, upstream, 0, False, now):
            self.flights.release(flight)
            return False
        self.flights.plan(flight, flight.ends)
        return True

    def fail_all(self):
        """Answer all who wait as if their time were over; late answers are still listened for."""
        while self.flights.oldest != NULL:
            self._fail(self.flights.oldest, False, monotonic())

    cdef double moment(self) except? -1:
        """Return the time by the cache's clock."""
        return monotonic() if self._clock is None else self._clock()

    cdef Asked ask(
        self, uint64_t hashed, const uint8_t *key, uint32_t size, uint16_t qtype, bint do_, bint cd, double now
    ) except *:
        """Set `found` to a flight that asks a question, which may be a new one; or `said` to what is known of it."""
        cdef Flight *flight = self.flights.find(hashed, key, size, qtype, do_, cd)
        cdef bint is_nobody
        cdef int group
        if flight != NULL:
            self.found = flight
            return ASKED_FLYING
        if self.failures.count and self._remembered(hashed, key, size, qtype, do_, cd):
            return ASKED_FAILED
        if self.flights.count >= MAX_IN_FLIGHT:
            self._fail(self.flights.oldest, False, now)
        flight = self.flights.launch(hashed, key, size, qtype, do_, cd, now)
        if flight == NULL:
            return ASKED_FULL
        group = self._group_of(key, size)
        flight.group = group
        flight.is_wanted = True
        flight.deadline = now + self.timeout
        flight.stale_at = INFINITY
        flight.ends = now + self.timeout + LATE
        self._hurry()
        if not self._send_next(flight, now):
            self._explain(flight, &is_nobody, now)
            self.flights.release(flight)
            return ASKED_FAILED
        self._plan(flight)
        self.found = flight
        return ASKED_FLYING

    cdef int _group_of(self, const uint8_t *key, uint32_t size) noexcept nogil:
        """Return the group with the longest zone that a name is at or under."""
        cdef int i, best = self.group_count - 1
        for i in range(self.group_count - 1):
            if (
                self.groups[i].key_size <= size and memcmp(self.groups[i].key, key, self.groups[i].key_size) == 0
                and self.groups[i].key_size >= self.groups[best].key_size
            ):
                best = i
        return best

    cdef bint _remembered(
        self, uint64_t hashed, const uint8_t *key, uint32_t size, uint16_t qtype, bint do_, bint cd
    ) except *:
        """Set `said` to what is remembered of a question's failure; False if it is to be asked."""
        cdef Failure *failure = self.failures.find(hashed, key, size, qtype, do_, cd)
        if failure == NULL or self.moment() >= failure.until:
            return False
        if failure.is_nobody and self._is_heard_since(failure.group, failure.since):
            return False
        self.is_said = failure.is_said
        self.said_size = failure.errors_size
        memcpy(self.said, failure.errors, failure.errors_size)
        return True

    cdef bint _is_heard_since(self, int group, double moment) except *:
        """Return whether any upstream of a group was heard after a moment."""
        cdef Health health
        for health in <list>self.group_healths[group]:
            if health.heard > moment:
                return True
        return False

    cdef bint _send_next(self, Flight *flight, double now) except *:
        """Ask the next upstream of a flight's group; False if there is none left, or none can be asked."""
        cdef int member
        while flight.tries_made < self.attempts:
            member = choose(<list>self.group_healths[flight.group], flight.tried)
            if member < 0:
                return False
            if self._send(flight, member, now):
                return True
        return False

    cdef bint _send(self, Flight *flight, int member, double now) except *:
        """Ask an upstream of a flight's group, and note when to go on; False if it cannot be asked."""
        cdef int upstream = self.groups[flight.group].members[member]
        cdef Health health = <Health>self.healths[upstream]
        flight.tried |= <uint32_t>1 << member
        health.note_asked()
        if not self._send_to(flight, upstream, member, now < self.remotes[upstream].opt_off, now):
            return False
        flight.was_patient = False
        if choose(<list>self.group_healths[flight.group], flight.tried) >= 0:
            flight.next = now + health.patience()
        else:
            flight.was_patient = True
            flight.next = now + health.patience_alone(flight.tries_made)
        return True

    cdef bint _send_to(self, Flight *flight, int upstream, int member, bint is_bare, double now) except *:
        """Make a try, and send it; False if it cannot be sent, which is noted."""
        cdef Try *one = &flight.tries[flight.tries_made]
        cdef bint is_sent
        memset(one, 0, sizeof(Try))
        flight.tries_made += 1
        one.flight, one.upstream, one.member, one.sent = flight, upstream, member, now
        one.is_bare = is_bare
        if self.remotes[upstream].is_stream:
            is_sent = self._send_on_stream(one)
        else:
            if self.mixed_case and now >= self.remotes[upstream].case_off:
                self.flights.mix(one)
            is_sent = self._send_datagram(one)
        if not is_sent:
            one.said = SAID_UNREACHABLE
            (<Health>self.healths[upstream]).note_failure(_UNREACHABLE, now)
        return is_sent

    cdef bint _send_datagram(self, Try *one) noexcept nogil:
        """Send a try from a random port with a random ID; False if the network says that it cannot be."""
        cdef uint8_t message[MAX_MESSAGE]
        cdef uint32_t size
        cdef int place, _try
        for _try in range(2):
            place = self.ports.choose(one.upstream)
            if place == NOWHERE or not self.flights.listen(one, place):
                one.rcode = <uint16_t>errno
                return False
            size = self._write(one, message)
            if send(self.ports.ports[place].descriptor, message, size, MSG_DONTWAIT) >= 0:
                return True
            if errno == EAGAIN or errno == ENOBUFS:
                return True  # the kernel has no room: as if lost on the way
            one.rcode = <uint16_t>errno
            self.flights.hush(one)
            self.ports.refuse(place, errno)  # perhaps about an earlier message: it is reported only once
        return False

    cdef bint _send_on_stream(self, Try *one) except *:
        """Ask over a stream; what becomes of it is told later."""
        cdef uint8_t message[MAX_MESSAGE]
        cdef uint32_t size
        if not self.flights.listen(one, NOWHERE):
            return False
        size = self._write(one, message)
        self._ask_stream_of(one.upstream, <bytes>message[:size])
        return True

    cdef uint32_t _write(self, const Try *one, uint8_t *message) noexcept nogil:
        """Write the message of a try; return its size."""
        cdef const Flight *flight = one.flight
        cdef uint8_t *name = message + types.HEADER_SIZE
        cdef uint8_t *p = name + flight.question_size
        cdef uint32_t i
        memset(message, 0, types.HEADER_SIZE)
        write_u16(message, one.id)
        write_u16(message + 2, types.RD | types.AD | (types.CD if flight.cd else 0))
        message[5] = 1
        memcpy(name, flight.question, flight.question_size)
        if one.is_mixed:
            for i in range(flight.key_size):
                if is_letter(name[i]) and one.cases[i >> 3] >> (i & 7) & 1:
                    name[i] ^= 0x20
        if one.is_bare:
            return <uint32_t>(p - message)
        message[11] = 1
        p[0] = 0
        write_u16(p + 1, types.OPT)
        write_u16(p + 3, types.MAX_UDP)
        write_u32(p + 5, types.EDNS_DO if flight.do_ else 0)
        write_u16(p + 9, 0)
        return <uint32_t>(p + types.OPT_SIZE - message)

    cdef int drain(self, double now) except -1:
        """Take what upstreams sent, one message from each socket, and go on with what is due."""
        cdef epoll_event events[READY]
        cdef int ready, i
        cdef uint32_t place
        cdef uint64_t _times
        cdef ssize_t size
        cdef bint is_due = False
        ready = epoll_wait(self.epoll, events, READY, 0)
        for i in range(ready):
            place = events[i].data.u32
            if place == TIMER:
                is_due = read_timer(self.timer, &_times, sizeof(_times)) > 0
                continue
            if self.ports.ports[place].descriptor < 0:
                continue  # closed meanwhile
            size = recv(self.ports.ports[place].descriptor, self.buffer, BUFFER, MSG_DONTWAIT)
            if size >= 0:
                self._read(<int>place, self.buffer, <uint32_t>size, now)
            elif errno != EAGAIN:
                self.ports.refuse(<int>place, errno)
        if self.ports.refused_count:
            self.give_up_refused(now)
        if is_due:
            self._tick(now)
        return 0

    cdef int _read(self, int place, const uint8_t *message, uint32_t size, double now) except -1:
        """Take a message from a port: it answers a try, or it is a stray."""
        cdef Port *port = &self.ports.ports[place]
        cdef Try *one = NULL
        cdef Fit fit = FITS_NOT
        if size >= types.HEADER_SIZE:
            one = self.flights.matched(place, port.upstream, read_u16(message))
            if one != NULL:
                fit = fit_of(one, message, size)
        if fit != FITS_NOT:
            if one.flight.is_probe:
                return self._land_probe(one, message, now)
            if fit == FITS_BUT_FOR_CASE or message[2] & types.TC >> 8:
                (<Health>self.healths[one.upstream]).note_answer(now, now - one.sent)
                return self._doubt(one, fit == FITS_BUT_FOR_CASE, now)
            return self._land(one, message, size, fit == FITS_ALONE, now)
        if port.flying:
            port.strays += 1
            if port.strays > MAX_STRAYS:
                self._give_up(place, SAID_STRAYS, 0, _MALFORMED, now)
                self.ports.shut(place)
        return 0

    cdef int _doubt(self, Try *one, bint is_about_case, double now) except -1:
        """Ask over a stream, within the same try, what was not answered in full, or in another case."""
        cdef Flight *flight = one.flight
        self.flights.hush(one)
        one.is_mixed = is_about_case  # from here on: whether that is in doubt
        one.is_retold = True
        if not self._send_on_stream(one):
            one.said = SAID_UNREACHABLE
            flight.next = now
            self._go_on(flight, now)
        return 0

    cdef int _land_probe(self, Try *one, const uint8_t *message, double now) except -1:
        """Take the answer to a probe."""
        cdef int rcode = message[3] & types.RCODE, upstream = one.upstream
        cdef double seconds = now - one.sent
        self.flights.release(one.flight)
        self.note_probe(upstream, seconds, rcode == types.NOERROR or rcode == types.NXDOMAIN, now)
        return 0

    cdef int note_probe(self, int upstream, double seconds, bint resolves, double now) except -1:
        """Note the answer to a probe."""
        (<Health>self.healths[upstream]).note_probe_answer(now, seconds, resolves)
        return 0

    cdef int note_probe_failed(self, int upstream, double now) except -1:
        """Note that a probe will not be answered."""
        (<Health>self.healths[upstream]).note_probe_silence(now)
        return 0

    cdef int _land(self, Try *one, const uint8_t *message, uint32_t size, bint is_alone, double now) except -1:
        """Take the answer to a try."""
        cdef Flight *flight = one.flight
        cdef Health health = <Health>self.healths[one.upstream]
        cdef uint16_t rcode = message[3] & types.RCODE
        cdef uint32_t lifetime = 0
        cdef Extras extras
        cdef Entry *entry = NULL
        cdef bint is_truncated = (message[2] & types.TC >> 8) != 0
        if flight.is_probe:
            return self._land_probe(one, message, now)
        self.flights.hush(one)
        if not one.is_retold:
            health.note_answer(now, now - one.sent)
        if flight.is_late:
            health.late += 1
        self.counting._took(now - one.sent)
        if not is_alone and not is_truncated and (rcode == types.NOERROR or rcode == types.NXDOMAIN):
            entry = read_response(message, size, flight.question_size, flight.key, flight.key_size, &lifetime)
        if entry != NULL:
            one.said = SAID_ANSWER
            health.note_resolved(now)
            if one.is_bare and one.was_opposed:
                self.remotes[one.upstream].opt_off = now + WITHOUT_EDNS
            return self._resolve(flight, entry, lifetime, message, size, now)
        extras.has_opt = extras.is_cut = False
        extras.errors_size = 0
        extras.rcode = rcode
        if not is_alone:
            extras_of(message, size, flight.question_size, &extras)
        one.rcode = extras.rcode
        if is_truncated or extras.is_cut or extras.rcode == types.NOERROR or extras.rcode == types.NXDOMAIN:
            one.said = SAID_MALFORMED
            self._note_why(one, message, size)
            health.note_failure(_MALFORMED, now)
        elif extras.rcode == types.SERVFAIL and not is_alone:
            one.said = SAID_RCODE
            health.note_failure(_SERVFAILING, now)
            health.note_resolved(now)
            if not flight.has_servfail or (flight.errors_size == 0 and extras.errors_size):
                self._note_servfail(flight, &extras)
        else:
            one.said = SAID_RCODE_ALONE if is_alone else SAID_RCODE
            if not one.is_bare and (
                extras.rcode == types.BADVERS or extras.rcode == types.FORMERR or extras.rcode == types.NOTIMP
            ):  # RFC 6891 section 7
                if flight.tries_made < self.attempts and not flight.is_late:
                    if self._send_to(flight, one.upstream, one.member, True, now):
                        flight.tries[flight.tries_made - 1].was_opposed = True
                        flight.next = now + health.patience()
                        flight.was_patient = False
                        return self._plan(flight)
            health.note_failure(_REFUSING, now)
        flight.next = now
        return self._go_on(flight, now)

    cdef int _note_why(self, Try *one, const uint8_t *message, uint32_t size) except -1:
        """Keep in words what is wrong with a message, which the parser in Python knows."""
        cdef bytes why = b"it is truncated"
        try:
            parse(<bytes>message[:size], one.flight.question_size)
        except BadMessage as error:
            why = str(error).encode()
        self.flights.tell(one, <const char *>why, len(why))
        return 0

    cdef int _note_servfail(self, Flight *flight, const Extras *extras) except -1:
        """Keep what an upstream said about a SERVFAIL: it may become the answer."""
        cdef uint8_t *errors
        flight.has_servfail = True
        if extras.errors_size:
            errors = <uint8_t *>malloc(extras.errors_size)
            if errors != NULL:
                free(flight.errors)
                memcpy(errors, extras.errors, extras.errors_size)
                flight.errors, flight.errors_size = errors, extras.errors_size
        return 0

    cdef int _resolve(
        self, Flight *flight, Entry *entry, uint32_t lifetime, const uint8_t *message, uint32_t size, double now
    ) except -1:
        """Answer who waits for a flight, with the entry, which is given away."""
        cdef Failure *failure = NULL
        cdef Flight *current
        if self.failures.count:
            failure = self.failures.find(
                flight.hash, flight.key, flight.key_size, flight.qtype, flight.do_, flight.cd
            )
        if failure != NULL:
            self.failures.forget(failure)
        if not flight.is_late:
            self.settle(flight, entry, lifetime, message, size, now)
            return self._end(flight, now)
        if not flight.is_wanted:
            free(entry)
        else:
            current = self.flights.find(flight.hash, flight.key, flight.key_size, flight.qtype, flight.do_, flight.cd)
            flight.is_wanted = False
            if current != NULL:
                self.settle(current, entry, lifetime, message, size, now)
                self._end(current, now)  # which may free the oldest late flight, but not one with an open try before it
            else:
                self.settle(flight, entry, lifetime, message, size, now)
        return 0

    cdef int settle(
        self, Flight *flight, Entry *entry, uint32_t lifetime, const uint8_t *message, uint32_t size, double now
    ) except -1:
        """Keep an answer, which this owns from now on, and answer who waits for it; a subclass knows how."""
        free(entry)
        return 0

    cdef int settle_failed(self, Flight *flight, double now) except -1:
        """Answer who waits for a flight with SERVFAIL and `said`; a subclass knows how."""
        return 0

    cdef int answer_stale(self, Flight *flight, double now) except -1:
        """Answer who waits for a flight with what is left in the cache, if a subclass knows how."""
        return 0

    cdef int give_up_refused(self, double now) except -1:
        """Give up the tries that the network says did not arrive, and go on with their flights."""
        cdef int place
        while self.ports.refused_count:
            self.ports.refused_count -= 1
            place = self.ports.refused[self.ports.refused_count]
            self.ports.ports[place].is_refused = False
            self._give_up(place, SAID_UNREACHABLE, self.ports.ports[place].error, _UNREACHABLE, now)
        return self._run_due(now)

    cdef int _give_up(self, int place, int said, int error, int kind, double now) except -1:
        """Give up all tries of a port; their flights are gone on with when `_run_due` is called next."""
        while self.ports.ports[place].first != NULL:
            self._give_up_try(<Try *>self.ports.ports[place].first, said, error, kind, now)
        return 0

    cdef int _give_up_try(self, Try *one, int said, int error, int kind, double now) except -1:
        """Give up a try: no answer will come."""
        self.flights.hush(one)
        one.said, one.rcode = said, <uint16_t>error
        if one.flight.is_probe:
            self.note_probe_failed(one.upstream, now)
            self.flights.plan(one.flight, now)
            return 0
        (<Health>self.healths[one.upstream]).note_failure(kind, now)
        one.flight.next = now
        self.flights.plan(one.flight, now)
        return 0

    cdef int _run_due(self, double now) except -1:
        """Go on with the flights that are due."""
        cdef int _i
        for _i in range(DUE_AT_ONCE):
            if self.flights.heap_size == 0 or self.flights.heap[0].due > now:
                return 0
            self._go_on(self.flights.heap[0], now)
        return 0

    cdef int _go_on(self, Flight *flight, double now) except -1:
        """Do what is due for a flight, which may be gone afterwards."""
        if flight.is_late:
            if now >= flight.ends or self.flights.open_tries(flight) == 0:
                self.flights.release(flight)
            else:
                self.flights.plan(flight, flight.ends)
            return 0
        if now >= flight.deadline:
            return self._fail(flight, True, now)
        if now >= flight.stale_at:
            flight.stale_at = INFINITY
            self.answer_stale(flight, now)
        if now >= flight.next and not self._try_next(flight, now):
            return self._fail(flight, True, now)
        return self._plan(flight)

    cdef bint _try_next(self, Flight *flight, double now) except *:
        """Ask the next upstream, or the same again, if it is time to; False if nothing is left to wait for."""
        cdef Try *last = &flight.tries[flight.tries_made - 1]
        cdef Health health = <Health>self.healths[last.upstream]
        cdef list healths = <list>self.group_healths[flight.group]
        cdef bint is_heard
        cdef int member, i
        cdef uint32_t spent = 0
        if not last.is_open:
            if last.said != SAID_NOTHING and self._send_next(flight, now):
                return True
            if self.flights.open_tries(flight) == 0:
                return False
        is_heard = health.heard > last.sent
        if last.is_open and not is_heard and not last.is_suspected:
            last.is_suspected = True
            health.note_failure(_SILENT, now)
        flight.next = INFINITY
        if flight.tries_made >= self.attempts:
            return True
        member = choose(healths, flight.tried)
        if not flight.was_patient and last.is_open:
            flight.was_patient = True
            if member < 0 or (is_heard and not health.take_hedge()):
                flight.next = last.sent + health.patience_alone(flight.tries_made)
                if flight.next > now:
                    return True
        if member < 0:
            for i in range(flight.tries_made):
                if not flight.tries[i].is_open:
                    spent |= <uint32_t>1 << flight.tries[i].member
            member = choose(healths, spent)
        if member >= 0 and not self._send(flight, member, now):
            flight.next = now  # as if it had failed
        return True

    cdef int _plan(self, Flight *flight) except -1:
        """Note when something is due for a flight."""
        cdef double due = flight.next if flight.next < flight.deadline else flight.deadline
        self.flights.plan(flight, due if due < flight.stale_at else flight.stale_at)
        return 0

    cdef int _end(self, Flight *flight, double now) except -1:
        """End a flight whose waiters were answered; what else comes of it is listened for."""
        cdef double ends = flight.tries[flight.tries_made - 1].sent + LATE
        if self.flights.open_tries(flight) == 0 or ends <= now:
            self.flights.release(flight)
            return 0
        flight.ends = ends
        self.flights.plan(flight, ends)
        self.flights.retire(flight)
        return 0

    cdef int _fail(self, Flight *flight, bint is_remembered, double now) except -1:
        """Answer who waits for a flight with SERVFAIL, remember why, and end it but for late answers."""
        cdef bint is_nobody = False
        cdef Failure *before
        cdef double kept = failure_kept(0), moment = self.moment()
        if self._explain(flight, &is_nobody, now) and is_remembered:
            before = self.failures.find(
                flight.hash, flight.key, flight.key_size, flight.qtype, flight.do_, flight.cd
            )
            if before != NULL and not is_nobody and not before.is_nobody and moment <= before.until + before.kept:
                kept = failure_kept(before.kept)  # it has been asked for all the time
            self.failures.keep(
                flight.hash, flight.key, flight.key_size, flight.qtype, flight.do_, flight.cd, flight.group,
                is_nobody, self.is_said, self.said, self.said_size, now, moment + kept, kept,
            )
        self.settle_failed(flight, now)
        return self._end(flight, now)

    cdef bint _explain(self, Flight *flight, bint *is_nobody, double now) except *:
        """Set `said` to why a flight failed, and whether no upstream was heard; return whether to remember it."""
        cdef bint is_about_name = flight.has_servfail, is_alone = False
        cdef int i
        cdef Try *one
        for i in range(flight.tries_made):
            one = &flight.tries[i]
            if one.said == SAID_RCODE or one.said == SAID_MALFORMED:
                is_about_name = True
            elif one.said == SAID_RCODE_ALONE:
                is_alone = True
            elif one.is_open and (<Health>self.healths[one.upstream]).heard > one.sent:
                is_about_name = True
        is_nobody[0] = not is_about_name
        self.is_said = flight.has_servfail
        if flight.has_servfail:
            self.said_size = flight.errors_size
            memcpy(self.said, flight.errors, flight.errors_size)
        else:
            self.said_size = explain(flight, self.remotes, now, self.said)
        return is_about_name or not is_alone

    cdef int _tick(self, double now) except -1:
        """Do what is due by the time."""
        cdef int i
        self._run_due(now)
        if now >= self.next_renewal:
            self.next_renewal = now + RENEWAL
            self.ports.renew()
        if self.flights.heap_size:
            self.busy = now
        elif self.is_fast and now >= self.busy + LINGER and blockd_set_timer(self.timer, SLOW) == 0:
            self.is_fast = False
        for i in range(self.remote_count):
            (<Health>self.healths[i]).in_flight = self.flights.flying[i]
        return 0

    cdef void _hurry(self) noexcept nogil:
        """Look at flights often from now on."""
        if not self.is_fast and blockd_set_timer(self.timer, FAST) == 0:
            self.is_fast = True
