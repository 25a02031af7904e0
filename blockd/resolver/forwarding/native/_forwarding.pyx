# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Forwarding in C: how a question is asked, what is made of its answer, and what is remembered.

`flights.py` is its twin, and says why things are as they are. Who waits is answered by a subclass (`settle`).

It is one module, and longer than others may be: what an upstream says may lead to any end of a flight.
"""

import time

from libc.math cimport INFINITY
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy

from blockd.metrics import counters as layout
from blockd.resolver.reading.fitting import TOO_FAR
from blockd.resolver.reading.names import TOO_MANY_LABELS
from blockd.resolver.reading.refusals import LOOP, NOT_OF_DNAME, OTHER_CLASS, TOO_LARGE, MALFORMED as MALFORMED_TEXT
from blockd.resolver.response import TOO_MANY

from blockd.dns cimport _types as types
from blockd.resolver.engine._answering cimport Answering
from blockd.resolver.engine._cache cimport Entry
from blockd.resolver.engine._options cimport Errors
from blockd.resolver.engine._reading cimport (
    SAID_FAILURE, SAID_LOOP, SAID_NOT_OF_DNAME, SAID_OTHER_CLASS, SAID_TOO_FAR, SAID_TOO_LARGE, SAID_TOO_MANY,
    SAID_TOO_MANY_LABELS, Reading, read_response,
)
from blockd.resolver.engine._sockets cimport monotonic
from blockd.resolver._numbers cimport FAILURES_PER_TURN, MAX_ASKED, MAX_DOUBTS, MAX_IN_FLIGHT
from blockd.resolver.forwarding.native._failures cimport ABOUT_NAME, ABOUT_SILENCE, ABOUT_UPSTREAMS, FAILURE_PLACES
from blockd.resolver.forwarding.native._flights cimport NOWHERE, SAID_RCODE, SAID_TEXT, Asker
from blockd.resolver.forwarding.native._wording cimport Remote, Text, add, add_seconds, add_word, explain, write_error
from blockd.resolver.forwarding.health cimport Health, failure_kept
from blockd.resolver.forwarding.health import DOWN, MALFORMED, REFUSING, SERVFAILING, SILENT, UP

cdef double LATE = 10.0  # seconds after its last question for which a flight is listened to
cdef double WITHOUT_EDNS = 900.0  # seconds for which an upstream is asked without EDNS if it answers only so
cdef bytes _MALFORMED_TEXT = MALFORMED_TEXT.encode()
cdef dict _REFUSALS = {  # what an upstream did, by what its message was read as; anything else is malformed
    SAID_TOO_FAR: TOO_FAR.encode(),
    SAID_TOO_MANY: TOO_MANY.encode(),
    SAID_TOO_MANY_LABELS: TOO_MANY_LABELS.encode(),
    SAID_LOOP: LOOP.encode(),
    SAID_NOT_OF_DNAME: NOT_OF_DNAME.encode(),
    SAID_OTHER_CLASS: OTHER_CLASS.encode(),
    SAID_TOO_LARGE: TOO_LARGE.encode(),
}
cdef int _DOWN = DOWN
cdef int _MALFORMED = MALFORMED
cdef int _REFUSING = REFUSING
cdef int _SERVFAILING = SERVFAILING
cdef int _SILENT = SILENT
cdef int _UP = UP
cdef int _UPSTREAM_AT = layout._UPSTREAM
cdef int _MICROSECONDS_AT = layout._UPSTREAM_MICROSECONDS
cdef double _BOUNDS[32]
cdef int _BOUND_COUNT = len(layout.UPSTREAM_BUCKETS)
for _place, _bound in enumerate(layout.UPSTREAM_BUCKETS):
    _BOUNDS[_place] = _bound


cdef class Forwarding(Course):
    """One worker's questions to upstreams, besides what `Course` says.

    `counting` counts. `clock` is the cache's, by which failures are remembered.
    """

    def __init__(self, Answering counting, upstreams, groups, options, ask_stream, clock):
        Course.__init__(self, upstreams, groups, options, ask_stream)
        self.counting = counting
        self._clock = None if clock is time.monotonic else clock
        self.failures = Failures()

    def stop(self):
        """Answer all who wait, and close all ports; the next question would open some again."""
        cdef Text text
        text.size = 0
        add_word(&text, b"blockd is stopping")
        while self.flights.ages.oldest != NULL:
            self.is_said = False
            self.said_size = write_error(self.said, types.EDE_NO_REACHABLE_AUTHORITY, &text)
            self.settle_failed(<Flight *>self.flights.ages.oldest, monotonic())
            self.end_doubt(<Flight *>self.flights.ages.oldest)
            self.flights.release(<Flight *>self.flights.ages.oldest)
        while self.flights.late_ages.oldest != NULL:
            self.flights.release(<Flight *>self.flights.late_ages.oldest)
        self.ports.shut_all()

    def probe(self, int upstream, bytes key, uint16_t qtype):
        """Ask an upstream a question of blockd's own; return whether it could be sent."""
        return self._send_probe(
            upstream, <const uint8_t *><const char *>key, len(key), qtype, False, monotonic()
        )

    def land(self, int upstream, bytes message):
        """Take a message that came over an upstream's stream."""
        Course.land(self, upstream, message)
        self.run_due(monotonic())

    def stream_failed(self, int upstream, ids, int kind, bytes why):
        """Take word that some questions will not be answered over an upstream's stream, and why, in a sentence."""
        Course.stream_failed(self, upstream, ids, kind, why)
        self.run_due(monotonic())

    cdef double moment(self) except? -1:
        """Return the time by the cache's clock."""
        return monotonic() if self._clock is None else self._clock()

    # What a subclass does for those who wait.

    cdef int settle(
        self, Flight *flight, Entry *entry, uint32_t lifetime, const uint8_t *message, uint32_t size, double now
    ) except -1:
        """Keep an answer, which this owns from now on, and answer who waits for it."""
        free(entry)
        return 0

    cdef int settle_failed(self, Flight *flight, double now) except -1:
        """Answer who waits for a flight with SERVFAIL and `said`."""
        return 0

    cdef int probe_answered(self, int upstream, double now, double seconds, bint resolves) except -1:
        """Note the answer to a probe."""
        (<Health>self.healths[upstream]).note_probe_answer(now, seconds, resolves)
        return 0

    cdef int probe_failed(self, int upstream, double now) except -1:
        """Note that a probe will not be answered."""
        (<Health>self.healths[upstream]).note_probe_silence(now)
        return 0

    def remembered(self, bytes name, *, bint below):
        """Yield the failures of a name's questions, and with `below` of those under it, that still hold, in parts.

        Each as (key, type, DO, CD, the moment of the cache's clock at which it ends, EDE options). They may change in between.
        """
        cdef int first
        for first in range(0, FAILURE_PLACES, FAILURES_PER_TURN):
            yield self._found(name, below, first)

    cdef list _found(self, bytes name, bint below, int first):
        """Return the failures that a search finds in FAILURES_PER_TURN places, of which each has one at most on average."""
        cdef Failure *failure
        cdef double now = self.moment()
        cdef list found = []
        cdef int place
        for place in range(first, min(first + FAILURES_PER_TURN, <int>FAILURE_PLACES)):
            failure = self.failures.places[place]
            while failure != NULL:
                key = failure.key[:failure.key_size]
                if (key.startswith(name) if below else key == name) and now < failure.until:
                    if not self._is_over(failure):
                        found.append((
                            key, failure.qtype, bool(failure.do_), bool(failure.cd), failure.until,
                            failure.errors[:failure.errors_size],
                        ))
                failure = failure.chain
        return found

    # How a question is asked.

    cdef Asked ask(
        self, uint64_t hashed, const uint8_t *key, uint32_t size, uint16_t qtype, bint do_, bint cd, const Asker *asker, double now
    ) except *:
        """Set `found` to a flight that asks a question, which may be a new one; or `said` to what is known of it."""
        cdef Flight *flight = self.flights.find(hashed, key, size, qtype, do_, cd)
        cdef int group
        if flight != NULL:
            self.found = flight
            return ASKED_FLYING
        if self.failures.count and self._remembered(hashed, key, size, qtype, do_, cd):
            return ASKED_FAILED
        group = self._group_of(key, size)
        if self._is_down(group, now) or self._is_flooded(key, size, asker, now):
            return ASKED_FAILED
        if self.flights.count >= MAX_IN_FLIGHT:  # a flood of names that are slow hurts these alone
            self.fail(<Flight *>self.flights.ages.oldest, False, now)
        flight = self.flights.launch(hashed, key, size, qtype, do_, cd, now)
        if flight == NULL:
            return ASKED_FULL
        flight.group = group
        flight.asker = asker[0]
        flight.again = NOWHERE
        flight.deadline = now + self.timeout
        flight.stale_at = INFINITY
        self.hurry()
        self.go_on(flight, now)
        self.found = self.flights.find(hashed, key, size, qtype, do_, cd)
        return ASKED_FLYING if self.found != NULL else ASKED_FAILED

    cdef bint _is_down(self, int group, double now) except *:
        """Return whether no upstream of a group is worth asking, and set `said` to that."""
        cdef Health health
        cdef double since = -INFINITY
        cdef const Remote *remote
        cdef Text text
        cdef int i
        for health in <list>self.group_healths[group]:
            if health.state != _DOWN:
                return False
            since = max(since, health.silent_since())
        text.size = 0
        if self.groups[group].count == 0:
            add_word(&text, b"no upstream is known")
        else:
            add_word(&text, b"no upstream has answered for ")
            add_seconds(&text, now - since)
            for i in range(self.groups[group].count):
                add_word(&text, b", " if i else b": ")
                remote = &self.remotes[self.groups[group].members[i]]
                add(&text, <const char *>remote.text, remote.text_size)
        self.is_said = False
        self.said_size = write_error(self.said, types.EDE_NO_REACHABLE_AUTHORITY, &text)
        return True

    cdef bint _is_flooded(self, const uint8_t *key, uint32_t size, const Asker *asker, double now) except *:
        """Return whether most names below this one's domain fail, and set `said` to that if it is not asked."""
        cdef bytes why
        cdef Text text
        if now > self.floods.flooded_until and self.floods.doubts <= MAX_DOUBTS:
            return False
        why = self.floods.refusal(key[:size], asker.octets[:asker.size], now)
        if why is None:
            return False
        text.size = 0
        add(&text, <const char *>why, <uint32_t>len(why))
        self.is_said = False
        self.said_size = write_error(self.said, types.EDE_OTHER, &text)
        return True

    cdef bint _remembered(
        self, uint64_t hashed, const uint8_t *key, uint32_t size, uint16_t qtype, bint do_, bint cd
    ) except *:
        """Set `said` to what is remembered of a question's failure; False if it is to be asked."""
        cdef Failure *failure = self.failures.find(hashed, key, size, qtype, do_, cd)
        if failure == NULL or self.moment() >= failure.until or self._is_over(failure):
            return False
        self.is_said = failure.is_said
        self.said_size = failure.errors_size
        memcpy(self.said, failure.errors, failure.errors_size)
        return True

    cdef bint _is_over(self, const Failure *failure) except *:
        """Return whether a failure that was about upstreams is over."""
        cdef Health health
        if failure.about == ABOUT_NAME:
            return False
        for health in <list>self.group_healths[failure.group]:
            if failure.about == ABOUT_SILENCE:
                if health.heard > failure.since:
                    return True
            elif health.state == _UP and health.since > failure.since:
                return True
        return False

    cdef void _took(self, double seconds) noexcept nogil:
        """Count an exchange with an upstream."""
        cdef int place = 0
        if seconds < 0:
            seconds = 0
        while place < _BOUND_COUNT and seconds > _BOUNDS[place]:
            place += 1
        self.counting.row[_UPSTREAM_AT + place] += 1
        self.counting.row[_MICROSECONDS_AT] += <uint64_t>(seconds * 1e6)

    # What links tell of tries.

    cdef int answered(self, Try *one, const uint8_t *message, uint32_t size, bint is_alone, double now) except -1:
        """Take an answer, early or late."""
        cdef Flight *flight = one.flight
        cdef Health health = <Health>self.healths[one.upstream]
        cdef Reading reading
        cdef Entry *entry
        cdef bytes text
        self.flights.hush(one)
        if flight.is_probe:
            return self._answered_probe(one, message, size, is_alone, now)
        self._took(now - one.sent)
        if flight.is_late:
            health.late += 1
        if is_alone:
            return self._take_error(one, message[3] & types.RCODE, NULL, True, now)
        entry = self._read(flight, message, size, &reading)
        if entry != NULL:
            if one.is_plain:
                self.remotes[one.upstream].opt_off = now + WITHOUT_EDNS
            health.note_resolved(now)
            entry.source = self.remotes[one.upstream].source
            return self._resolve(flight, entry, reading.lifetime, message, size, now)
        if reading.said == SAID_FAILURE:
            return self._take_error(one, reading.rcode, &reading.errors, False, now)
        one.said = SAID_TEXT
        text = <bytes>_REFUSALS.get(<int>reading.said, _MALFORMED_TEXT)
        self.flights.tell(one, <const char *>text, len(text))
        health.note_failure(_MALFORMED, now)
        flight.is_about_name = True
        return self.go_on(flight, now)

    cdef Entry *_read(self, Flight *flight, const uint8_t *message, uint32_t size, Reading *reading) noexcept nogil:
        """Return an entry for an answer; NULL if it is none, and `reading` says what it is.

        YXDOMAIN is one, about a DNAME (RFC 6672 section 2.2). It is not kept.
        """
        cdef uint8_t *octet = <uint8_t *>message + 3
        cdef bint is_moved = octet[0] & types.RCODE == types.YXDOMAIN
        cdef Entry *entry
        if is_moved:  # for the parser, an answer
            octet[0] &= ~types.RCODE
        entry = read_response(
            message, size, flight.question_size, flight.key, flight.key_size, flight.do_, reading
        )
        if is_moved:
            octet[0] |= types.YXDOMAIN
            if entry != NULL:
                entry.rcode = types.YXDOMAIN
                reading.lifetime = 0
        return entry

    cdef int _take_error(self, Try *one, int rcode, const Errors *errors, bint is_alone, double now) except -1:
        """Take an rcode that is no answer; `errors` are what the message says about it, NULL for nothing."""
        cdef Flight *flight = one.flight
        cdef Health health = <Health>self.healths[one.upstream]
        cdef bint is_edns = rcode == types.FORMERR or rcode == types.NOTIMP or rcode == types.BADVERS
        cdef uint32_t size = min(errors.size, <uint32_t>MAX_SAID) if errors != NULL else 0
        one.said, one.rcode = SAID_RCODE, <uint16_t>rcode
        if is_edns and one.has_opt and not flight.is_late and flight.tries_made < MAX_ASKED:  # RFC 6891 section 7
            return 0 if self._ask(flight, one.member, True, now) else self.go_on(flight, now)
        health.note_failure(_SERVFAILING if rcode == types.SERVFAIL else _REFUSING, now)
        flight.is_about_name |= not is_alone
        if rcode == types.SERVFAIL and not is_alone:
            health.note_tried(now)
            if size and flight.errors == NULL:
                flight.errors = <uint8_t *>malloc(size)
                if flight.errors != NULL:
                    flight.errors_size = size
                    memcpy(flight.errors, errors.octets, size)
        return self.go_on(flight, now)

    cdef int failed(self, Try *one, int kind, double now) except -1:
        """Take word that no answer will come."""
        cdef int upstream = one.upstream
        self.flights.hush(one)
        if one.flight.is_probe:
            self._strike(one.flight, now)
            return self.probe_failed(upstream, now)
        (<Health>self.healths[upstream]).note_failure(kind, now)
        return self._strike(one.flight, now)

    cdef int undone(self, Try *one, double now) except -1:
        """Ask again, as the upstream supports it."""
        cdef Flight *flight = one.flight
        self.flights.hush(one)
        if flight.is_probe:
            self._strike(flight, now)
            self._send_probe(one.upstream, flight.key, flight.key_size, flight.qtype, False, now)
            return 0
        one.said = SAID_TEXT
        self.flights.tell(one, b"answered in a way that could be forged", 38)
        if flight.tries_made < MAX_ASKED and not flight.is_late and self._ask(flight, one.member, False, now):
            return 0
        return self._strike(flight, now)

    # Probes.

    cdef bint _send_probe(
        self, int upstream, const uint8_t *key, uint32_t size, uint16_t qtype, bint is_plain, double now
    ) except *:
        """Send a probe: a flight that nobody waits for, which is listened for like a late one."""
        cdef Flight *flight = self.flights.launch(0, key, size, qtype, False, False, now)
        if flight == NULL:
            return False
        flight.is_probe = True
        flight.ends = now + LATE
        self.flights.plan(flight, flight.ends)
        self.flights.retire(flight)
        if not self.send(self._new_try(flight, upstream, 0, is_plain), now):
            self.flights.release(flight)
            return False
        return True

    cdef int _answered_probe(
        self, Try *one, const uint8_t *message, uint32_t size, bint is_alone, double now
    ) except -1:
        """Take the answer to a probe."""
        cdef Flight *flight = one.flight
        cdef Reading reading
        cdef int upstream = one.upstream, rcode = message[3] & types.RCODE
        cdef double seconds = now - one.sent
        cdef Entry *entry = NULL
        cdef bint resolves = False, is_edns
        cdef uint8_t key[256]
        cdef uint32_t key_size
        cdef uint16_t qtype
        if not is_alone:
            entry = self._read(flight, message, size, &reading)
            rcode = reading.rcode
        if entry != NULL:
            resolves = True
            free(entry)
        if resolves and one.is_plain:
            self.remotes[upstream].opt_off = now + WITHOUT_EDNS
        is_edns = one.has_opt and (rcode == types.FORMERR or rcode == types.NOTIMP or rcode == types.BADVERS)
        key_size = flight.key_size
        qtype = flight.qtype
        memcpy(key, flight.key, key_size)
        self.flights.release(flight)
        if is_edns and not resolves:
            if not self._send_probe(upstream, key, key_size, qtype, True, now):
                return self.probe_failed(upstream, now)
            return 0
        return self.probe_answered(upstream, now, seconds, resolves)

    # How a flight ends.

    cdef int _resolve(
        self, Flight *flight, Entry *entry, uint32_t lifetime, const uint8_t *message, uint32_t size, double now
    ) except -1:
        """Pass an answer on to those who wait; a late one is kept, and passed on to who asks the same meanwhile."""
        cdef Failure *failure = NULL
        cdef Flight *waiting = flight
        if flight.is_resolved:
            free(entry)
            return self.go_on(flight, now)  # another upstream was faster
        flight.is_resolved = True
        self.note_answer(flight, entry.rcode == types.NXDOMAIN, now)
        if self.failures.count and entry.rcode != types.YXDOMAIN:
            failure = self.failures.find(
                flight.hash, flight.key, flight.key_size, flight.qtype, flight.do_, flight.cd
            )
        if failure != NULL:
            self.failures.forget(failure)
        if flight.is_late:
            waiting = self.flights.find(flight.hash, flight.key, flight.key_size, flight.qtype, flight.do_, flight.cd)
        if waiting == NULL:
            self.settle(flight, entry, lifetime, message, size, now)
        else:
            waiting.is_resolved = True
            self.settle(waiting, entry, lifetime, message, size, now)
        if flight.is_late:
            self.go_on(flight, now)
        if waiting != NULL:
            self._end(waiting, now)
        return 0

    cdef int fail(self, Flight *flight, bint is_remembered, double now) except -1:
        """Answer with what upstreams said or did, and remember it."""
        cdef bint is_silent = False
        cdef int i, about = ABOUT_UPSTREAMS
        cdef Try *one
        cdef Health health
        if self.fails_alone(flight):
            flight.is_about_name = True  # it is this name that is slow
            self.count_failure(flight, now)
        self.is_said = flight.errors != NULL
        self.said_size = explain(flight, self.remotes, now, &is_silent, self.said)
        if self.is_said:
            self.said_size = flight.errors_size
            memcpy(self.said, flight.errors, flight.errors_size)
        for i in range(flight.tries_made):
            one = &flight.tries[i]
            if one.is_open:
                self.stop_doubting(one, now)
                health = <Health>self.healths[one.upstream]
                if not health.is_heard_since(one.sent):
                    health.note_failure(_SILENT, now)
        if is_remembered:
            if flight.is_about_name:
                about = ABOUT_NAME
            elif is_silent:
                about = ABOUT_SILENCE
            self._remember(flight, about, now)
        self.settle_failed(flight, now)
        return self._end(flight, now)

    cdef int _remember(self, Flight *flight, int about, double now) except -1:
        """Remember what is said of a failure: longer if it has lasted all the time."""
        cdef double kept = failure_kept(0), moment = self.moment()
        cdef Failure *before = self.failures.find(
            flight.hash, flight.key, flight.key_size, flight.qtype, flight.do_, flight.cd
        )
        if before != NULL and about == ABOUT_NAME == before.about and moment <= before.until + before.kept:
            kept = failure_kept(before.kept)
        self.failures.keep(
            flight.hash, flight.key, flight.key_size, flight.qtype, flight.do_, flight.cd, flight.group, about,
            self.is_said, self.said, self.said_size, now, moment + kept, kept,
        )
        return 0

    cdef int _end(self, Flight *flight, double now) except -1:
        """End a flight whose waiters were answered; answers that come later are still heard."""
        self.end_doubt(flight)
        if self.flights.open_tries(flight) == 0:
            self.flights.release(flight)
            return 0
        flight.ends = flight.tries[flight.tries_made - 1].sent + LATE
        self.flights.plan(flight, flight.ends)
        self.flights.retire(flight)
        return 0
