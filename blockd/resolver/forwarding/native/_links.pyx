# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Upstreams as a worker asks them, in C: what was asked is matched with what arrives, and asked over TCP if in doubt.

`link.py` is its twin. What comes of a try is told to a subclass.

It is one module, and longer than others may be: what leaves and what arrives are matched field by field.
"""

import secrets

from libc.errno cimport EAGAIN, ECONNREFUSED, ENOBUFS, ENODEV, errno
from libc.math cimport INFINITY
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcmp, memcpy, memset, strlen

from blockd.dns cimport _types as types
from blockd.dns._cursor cimport read_u16, write_u16, write_u32
from blockd.resolver._numbers cimport CLIENT_COOKIE, MAX_SERVER_COOKIE, MAX_STRAYS, MIN_SERVER_COOKIE
from blockd.resolver.engine._sockets cimport MSG_DONTWAIT, monotonic, recv
from blockd.resolver.engine._sockets cimport send as send_now
from blockd.resolver.forwarding.native._flights cimport (
    DOUBT_CASE, DOUBT_COOKIE, DOUBT_IMITATED, DOUBT_TRUNCATED, NO_DOUBT, NOWHERE, SAID_NO_INTERFACE, SAID_SENTENCE,
    SAID_TEXT, SAID_UNREACHABLE, Ear,
)
from blockd.resolver.forwarding.native._ports cimport Port
from blockd.resolver.forwarding.native._replies cimport (
    FITS_ALONE, FITS_BUT_FOR_CASE, FITS_NOT, extras_of, fit_of, is_letter,
)
from blockd.resolver.forwarding.native._system cimport (
    CLOCK_MONOTONIC, EPOLL_CLOEXEC, TFD_CLOEXEC, TFD_NONBLOCK, blockd_set_timer, blockd_set_timer_off, blockd_watch,
    close, epoll_create1, epoll_wait, read as read_timer, timerfd_create,
)
from blockd.resolver.forwarding.health cimport Health
from blockd.resolver.forwarding.health import MALFORMED, UNREACHABLE

cdef enum:
    TIMER = 0xFFFFFFFF  # the timer's place among what is watched
    MAX_MESSAGE = types.HEADER_SIZE + 264 + types.OPT_SIZE + 4 + CLIENT_COOKIE + MAX_SERVER_COOKIE
    FAST = 10_000_000  # nanoseconds between two looks at flights
    SLOW = 250_000_000  # the same while nothing is in flight

cdef double RENEWAL = 0.05  # seconds after which the next socket gets another port
cdef double LINGER = 1.0  # seconds without a flight after which the timer becomes slow
cdef double OFF = 3600.0  # seconds for which an upstream is asked without what it does not support
cdef const char *IMITATED = (
    b"seems to be imitated by somebody: too many messages came that do not fit the question"
)
cdef int _MALFORMED = MALFORMED
cdef int _UNREACHABLE = UNREACHABLE


cdef class Links:
    """The upstreams of one worker.

    `upstreams` has (text, address, health) of each, the address None for one that is asked over a stream only;
    `ask_stream(place, message)` asks over a stream.
    """

    def __init__(self, upstreams, options, ask_stream):
        cdef int i
        cdef bytes cookie
        self.healths = [health for _, _, health in upstreams]
        self.mixed_case, self.cookies = options.mixed_case, options.cookies
        self._ask_stream_of = ask_stream
        self.epoll = epoll_create1(EPOLL_CLOEXEC)
        self.timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC)
        if self.epoll < 0 or self.timer < 0 or blockd_watch(self.epoll, self.timer, TIMER) < 0:
            raise OSError(errno, "no timer can be had")
        if blockd_set_timer(self.timer, SLOW) < 0:
            raise OSError(errno, "no timer can be set")
        self.ports = Ports(self.epoll, [address for _, address, _ in upstreams], options.sockets, options.avoid_ports)
        self.flights = Flights(self.ports, len(upstreams))
        self.remote_count = len(upstreams)
        self._texts = [text.encode() for text, _, _ in upstreams]
        self.remotes = <Remote *>calloc(self.remote_count + 1, sizeof(Remote))
        if self.remotes == NULL:
            raise MemoryError
        for i in range(self.remote_count):
            self.remotes[i].is_stream = upstreams[i][1] is None
            self.remotes[i].text = <const uint8_t *><const char *><bytes>self._texts[i]
            self.remotes[i].text_size = len(<bytes>self._texts[i])
            self.remotes[i].case_off = self.remotes[i].cookies_off = self.remotes[i].opt_off = -INFINITY
            cookie = (options.client_cookies[i] if options.client_cookies else b"") or secrets.token_bytes(CLIENT_COOKIE)
            if len(cookie) != CLIENT_COOKIE:
                raise ValueError("a client cookie is too short or too long")
            memcpy(self.remotes[i].cookie, <const char *>cookie, CLIENT_COOKIE)
            self.remotes[i].cookie_size = CLIENT_COOKIE
            self.remotes[i].has_mark = bool(options.client_cookies and options.client_cookies[i])

    def __dealloc__(self):
        free(self.remotes)
        if self.timer > 0:
            close(self.timer)
        if self.epoll > 0:
            close(self.epoll)

    # What comes of tries; a subclass knows what to do.

    cdef int answered(self, Try *one, const uint8_t *message, uint32_t size, bint is_alone, double now) except -1:
        """Take what answers a try, whatever it says; it may be a header with an error alone."""
        self.flights.hush(one)
        return 0

    cdef int failed(self, Try *one, int kind, double now) except -1:
        """Take word that no answer to a try will come; why is written into it."""
        self.flights.hush(one)
        return 0

    cdef int undone(self, Try *one, double now) except -1:
        """Take word that an upstream does not support how it was asked; from now on it is asked otherwise."""
        self.flights.hush(one)
        return 0

    cdef int tick(self, double now) except -1:
        """Do what is due by the time."""
        if now >= self.next_renewal:
            self.next_renewal = now + RENEWAL
            self.ports.renew()
        if self.flights.heap_size:
            self.busy = now
        elif self.is_fast and now >= self.busy + LINGER and blockd_set_timer(self.timer, SLOW) == 0:
            self.is_fast = False
        self.note_in_flight()
        return 0

    cpdef void note_in_flight(self) noexcept:
        """Note of how many questions to each upstream nothing has come yet."""
        cdef int i
        for i in range(self.remote_count):
            (<Health>self.healths[i]).in_flight = self.flights.flying[i]

    cdef void hurry(self) noexcept nogil:
        """Look at flights often from now on."""
        if not self.is_fast and blockd_set_timer(self.timer, FAST) == 0:
            self.is_fast = True

    cdef bint is_over(self) noexcept nogil:
        """Return whether this turn of the event loop has taken its time, so that what is left is for the next one."""
        return self.is_started and monotonic() >= self.turn_ends

    cdef void go_on_soon(self) noexcept nogil:
        """Have `drain` called in the next turn of the event loop, behind other sockets."""
        if not self.is_awake and blockd_set_timer_off(self.timer, FAST) == 0:
            self.is_awake = self.is_fast = True

    # What leaves.

    cdef bint send(self, Try *one, double now) except *:
        """Send a try; False if the upstream cannot be reached, which is written into it."""
        cdef Remote *remote = &self.remotes[one.upstream]
        one.sent = now
        one.has_opt = not one.is_plain and now >= remote.opt_off
        if remote.is_stream:
            return self._send_on_stream(one, NO_DOUBT)
        one.has_cookie = self.cookies and one.has_opt and now >= remote.cookies_off
        if self.mixed_case and now >= remote.case_off:
            self.flights.mix(one)
        return self._send_datagram(one)

    cdef bint _send_datagram(self, Try *one) noexcept nogil:
        """Send a try from a random port with a random ID; False if the network says that it cannot be."""
        cdef uint8_t message[MAX_MESSAGE]
        cdef uint32_t size
        cdef int place, error, _try
        for _try in range(2):
            place = self.ports.choose(one.upstream)
            if place == NOWHERE or not self.flights.listen(&one.port, one, place):
                one.rcode = <uint16_t>errno
                one.said = SAID_NO_INTERFACE if place == NOWHERE and errno == ENODEV else SAID_UNREACHABLE
                return False
            size = self._write(one, one.port.id, message)
            if send_now(self.ports.ports[place].descriptor, message, size, MSG_DONTWAIT) >= 0:
                self.flights.open(one)
                return True
            if errno == EAGAIN or errno == ENOBUFS:
                self.flights.open(one)
                return True  # the kernel has no room: as if lost on the way
            error = errno
            one.rcode = <uint16_t>error
            self.ports.refuse(place, error)  # perhaps about an earlier message: it is reported only once
            self.flights.leave(&one.port)
            if error != ECONNREFUSED:  # an address or an interface that the socket is bound to may have gone
                self.ports.shut_idle(one.upstream)
        one.said = SAID_UNREACHABLE
        return False

    cdef bint _send_on_stream(self, Try *one, int doubt) except *:
        """Ask over a stream, because of a doubt or always; what becomes of it is told later."""
        cdef uint8_t message[MAX_MESSAGE]
        cdef uint32_t size
        if not self.flights.listen(&one.stream, one, NOWHERE):
            one.said, one.rcode = SAID_UNREACHABLE, <uint16_t>errno
            return False
        one.doubt = doubt
        self.flights.open(one)
        size = self._write(one, one.stream.id, message)
        self._ask_stream_of(one.upstream, <bytes>message[:size])
        return True

    cdef uint32_t _write(self, const Try *one, uint16_t id, uint8_t *message) noexcept nogil:
        """Write the message of a try; return its size."""
        cdef const Remote *remote = &self.remotes[one.upstream]
        cdef uint8_t *name = message + types.HEADER_SIZE
        cdef uint8_t *p = name + one.flight.question_size
        cdef uint32_t i, content = 0
        memset(message, 0, types.HEADER_SIZE)
        write_u16(message, id)
        write_u16(message + 2, types.RD | types.AD | (types.CD if one.flight.cd else 0))
        message[5] = 1
        memcpy(name, one.flight.question, one.flight.question_size)
        if one.is_mixed:
            for i in range(one.flight.key_size):
                if is_letter(name[i]) and one.cases[i >> 3] >> (i & 7) & 1:
                    name[i] ^= 0x20
        if not one.has_opt:
            return <uint32_t>(p - message)
        message[11] = 1
        p[0] = 0
        write_u16(p + 1, types.OPT)
        write_u16(p + 3, types.MAX_UDP)
        write_u32(p + 5, types.EDNS_DO if one.flight.do_ else 0)
        if one.has_cookie:
            content = remote.cookie_size
        elif remote.has_mark:
            content = CLIENT_COOKIE
        write_u16(p + 9, 4 + content if content else 0)
        p += types.OPT_SIZE
        if content:
            write_u16(p, types.COOKIE_OPTION if one.has_cookie else types.OWN_OPTION)
            write_u16(p + 2, content)
            memcpy(p + 4, remote.cookie, content)
            p += 4 + content
        return <uint32_t>(p - message)

    # What arrives.

    cdef int drain(self, double now) except -1:
        """Take what upstreams sent, one message from each socket, and do what is due by the time.

        If this turn has no time for all of it, the next one begins with the sockets that are left: these stay ready.
        """
        cdef uint32_t place
        cdef uint64_t _times
        cdef ssize_t size
        cdef bint is_due = False
        if self.taken == self.ready:
            self.taken = 0
            self.ready = max(epoll_wait(self.epoll, self.events, READY, 0), 0)
        while self.taken < self.ready:
            place = self.events[self.taken].data.u32
            self.taken += 1
            if place == TIMER:
                self.is_awake = False
                is_due = read_timer(self.timer, &_times, sizeof(_times)) > 0
                continue
            if self.ports.ports[place].descriptor < 0:
                continue  # closed meanwhile
            size = recv(self.ports.ports[place].descriptor, self.buffer, BUFFER, MSG_DONTWAIT)
            if size >= 0:
                self._take(<int>place, self.buffer, <uint32_t>size, now)
            elif errno != EAGAIN:
                self.ports.refuse(<int>place, errno)
            if self.is_over():
                break
        if self.ports.refused_count:
            self.give_up_refused(now)
        if is_due:
            self.tick(now)
        return 0

    cdef int _take(self, int place, const uint8_t *message, uint32_t size, double now) except -1:
        """Match a message with what was asked from its port."""
        cdef Try *one = NULL
        cdef Fit fit = FITS_NOT
        if size >= types.HEADER_SIZE:
            one = self.flights.matched(place, self.ports.ports[place].upstream, read_u16(message))
            if one != NULL:
                fit = fit_of(one, message, size)
        if fit == FITS_NOT:
            return self._note_stray(place, now)
        return self._take_fitting(one, fit, place, message, size, now)

    cdef int _take_fitting(
        self, Try *one, Fit fit, int place, const uint8_t *message, uint32_t size, double now
    ) except -1:
        """Take a message that fits a try, or doubt it."""
        cdef Extras extras
        cdef int doubt = DOUBT_CASE if fit == FITS_BUT_FOR_CASE else NO_DOUBT
        cdef bint is_bad_cookie = False, has_learned
        if one.has_cookie:
            memset(&extras, 0, sizeof(extras))
            if fit != FITS_ALONE:
                extras_of(message, size, one.flight.question_size, &extras)
            if extras.cookie_size:
                if not self._is_ours(one, &extras):
                    return self._note_stray(place, now)
            elif self.remotes[one.upstream].cookie_size > CLIENT_COOKIE:
                doubt = DOUBT_COOKIE
            has_learned = self._learn(one, &extras)
            if extras.has_opt and extras.rcode == types.BADCOOKIE:
                is_bad_cookie = has_learned and not one.had_bad_cookie
                if doubt == NO_DOUBT:
                    doubt = DOUBT_TRUNCATED  # if it is so again, TCP needs no cookie
        if doubt == NO_DOUBT and message[2] & types.TC >> 8:
            doubt = DOUBT_TRUNCATED
        if not one.stream.is_open:
            (<Health>self.healths[one.upstream]).note_answer(
                now, now - one.sent, one.flight.is_probe, self.flights.hear(one)
            )
        elif doubt != NO_DOUBT:
            return 0  # as before
        if is_bad_cookie:
            one.had_bad_cookie = True
            self.flights.leave(&one.port)
            if not self._send_datagram(one):
                return self.failed(one, _UNREACHABLE, now)
        elif doubt != NO_DOUBT:
            if not self._send_on_stream(one, doubt):
                return self.failed(one, _UNREACHABLE, now)
        else:
            return self.answered(one, message, size, fit == FITS_ALONE, now)
        return 0

    cdef bint _is_ours(self, const Try *one, const Extras *extras) noexcept nogil:
        """Return whether an answer's COOKIE option begins with the client cookie."""
        return (
            extras.cookie_size >= CLIENT_COOKIE
            and memcmp(extras.cookie, self.remotes[one.upstream].cookie, CLIENT_COOKIE) == 0
        )

    cdef bint _learn(self, Try *one, const Extras *extras) noexcept nogil:
        """Keep the server cookie of an answer; return whether there was one."""
        cdef Remote *remote = &self.remotes[one.upstream]
        if not CLIENT_COOKIE + MIN_SERVER_COOKIE <= extras.cookie_size <= CLIENT_COOKIE + MAX_SERVER_COOKIE:
            return False
        memcpy(remote.cookie, extras.cookie, extras.cookie_size)
        remote.cookie_size = extras.cookie_size
        return True

    cdef int _note_stray(self, int place, double now) except -1:
        """Count a message that fits no question; after too many the port is given up: somebody is guessing."""
        cdef Port *port = &self.ports.ports[place]
        if port.flying == 0:
            return 0
        port.strays += 1
        if port.strays <= MAX_STRAYS:
            return 0
        cdef Ear *ear = <Ear *>port.ears.newest
        while ear != NULL:
            self.flights.leave(ear)
            # TCP is what a guesser cannot answer, so that one who floods a port stops nobody's question
            if not ear.of.stream.is_open and not self._send_on_stream(ear.of, DOUBT_IMITATED):
                self._fail_with(ear.of, _MALFORMED, IMITATED, now)
            ear = <Ear *>port.ears.newest
        self.ports.shut(place)
        return 0

    cdef int give_up_refused(self, double now) except -1:
        """Abandon the tries that the network says did not arrive, in this turn or the next ones."""
        cdef Port *port
        cdef Ear *ear
        while self.ports.refused_count:
            port = &self.ports.ports[self.ports.refused[self.ports.refused_count - 1]]
            ear = <Ear *>port.ears.newest
            if ear == NULL:
                port.is_refused = False
                self.ports.refused_count -= 1
                continue
            self.flights.leave(ear)
            if not ear.of.stream.is_open:
                ear.of.said, ear.of.rcode = SAID_UNREACHABLE, <uint16_t>port.error
                self.failed(ear.of, _UNREACHABLE, now)
            if self.is_over():
                self.go_on_soon()
                break
        return 0

    cdef int _fail_with(self, Try *one, int kind, const char *text, double now) except -1:
        """Fail a try, for what follows the upstream's name."""
        one.said = SAID_TEXT
        self.flights.tell(one, text, <uint32_t>strlen(text))
        return self.failed(one, kind, now)

    # What streams tell.

    def land(self, int upstream, bytes message):
        """Take a message that came over an upstream's stream."""
        cdef double now = monotonic()
        cdef const uint8_t *octets = <const uint8_t *><const char *>message
        cdef uint32_t size = len(message)
        cdef Remote *remote = &self.remotes[upstream]
        cdef Extras extras
        cdef Try *one
        cdef Fit fit
        if size < types.HEADER_SIZE or size > types.MAX_TCP:
            return
        one = self.flights.matched(NOWHERE, upstream, read_u16(octets))
        if one == NULL:
            return
        fit = fit_of(one, octets, size)
        self.flights.leave(&one.stream)
        if one.doubt == NO_DOUBT or one.doubt == DOUBT_IMITATED:  # nothing has come over UDP
            (<Health>self.healths[upstream]).note_answer(
                now, now - one.sent, one.flight.is_probe, self.flights.hear(one)
            )
        if fit == FITS_NOT:
            self._fail_with(one, _MALFORMED, b"answered another question", now)
            return
        if fit == FITS_BUT_FOR_CASE:
            self.stop_doubting(one, now)
        if one.has_cookie and fit != FITS_ALONE:
            extras_of(octets, size, one.flight.question_size, &extras)
            if extras.has_opt and self._is_ours(one, &extras):
                self._learn(one, &extras)
            elif one.doubt == DOUBT_COOKIE:
                remote.cookie_size = CLIENT_COOKIE
        if octets[2] & types.TC >> 8:
            self._fail_with(one, _MALFORMED, b"truncated its answer over TCP", now)
        else:
            self.answered(one, octets, size, fit == FITS_ALONE, now)

    def stream_failed(self, int upstream, ids, int kind, bytes why):
        """Take word that some questions will not be answered over an upstream's stream, and why, in a sentence."""
        cdef double now = monotonic()
        cdef Try *one
        for identifier in ids:
            one = self.flights.matched(NOWHERE, upstream, identifier)
            if one == NULL:
                continue
            self.flights.leave(&one.stream)
            if one.doubt == DOUBT_IMITATED:
                self._fail_with(one, _MALFORMED, IMITATED, now)
                continue
            one.said = SAID_SENTENCE
            self.flights.tell(one, <const char *>why, len(why))
            if self.stop_doubting(one, now):
                self.undone(one, now)
            else:
                self.failed(one, kind, now)

    cdef bint stop_doubting(self, Try *one, double now) except *:
        """Ask without what a doubt was about, which TCP could not settle; return whether there was such a doubt."""
        if one.doubt == DOUBT_CASE:
            self.remotes[one.upstream].case_off = now + OFF
        elif one.doubt == DOUBT_COOKIE:
            self.remotes[one.upstream].cookies_off = now + OFF
            self.remotes[one.upstream].cookie_size = CLIENT_COOKIE
        else:
            return False
        return True
