# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Who asks, before anything is done for it; and the last look at an answer, before it leaves."""

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy

from blockd.metrics import counters as layout
from blockd.resolver.clients import LOOPBACK, packed_networks

from blockd.dns cimport _types as types
from blockd.dns._cursor cimport write_u16
from blockd.resolver._numbers cimport (
    CLIENT_COOKIE, DROPPED, FRESH, KNOWN, MAX_DATAGRAM, MAX_SERVER_ID, OPTION, PASSED, SECRET, STRANGERS, TRUNCATED, WHOLE,
)
from blockd.resolver.edge._proxy_header cimport is_proxied, read_header
from blockd.resolver.edge._strangers cimport is_notify, write_refusal
from blockd.resolver.engine._clients cimport is_within, networks_of
from blockd.resolver.engine._message cimport Question, write_answer
from blockd.resolver.engine._outbox cimport Peer
from blockd.resolver.engine._sockets cimport AF_INET, sockaddr, sockaddr_in, sockaddr_in6

cdef int _ANSWERS_AT = layout._ANSWERS
cdef int _LIMITED_AT = layout._LIMITED
cdef int _LIMITED_WIDTH = len(layout.LIMITED_DONE)


cdef inline const uint8_t *host_of(const sockaddr *client, int *size) noexcept nogil:
    """Return the octets of an address, and how many they are."""
    if client.sa_family == AF_INET:
        size[0] = 4
        return <const uint8_t *>&(<const sockaddr_in *>client).sin_addr
    size[0] = 16
    return (<const sockaddr_in6 *>client).sin6_addr.s6_addr


cdef class Edge:
    """The clients that are served; `service` is that of `options.py`, `row` the counters as 64-bit numbers."""

    def __init__(self, service, row):
        self.row = row
        if self.row.shape[0] < layout._ROW:
            raise ValueError("the row of counters is too short")
        self._networks = four, six = packed_networks(service.served)
        self.networks = networks_of(<const uint8_t *><const char *>four, len(four),
                                    <const uint8_t *><const char *>six, len(six))
        self._unlimited = four, six = packed_networks((*service.asks_for_many, *LOOPBACK))
        self.unlimited = networks_of(<const uint8_t *><const char *>four, len(four),
                                     <const uint8_t *><const char *>six, len(six))
        self._proxies = four, six = packed_networks(service.proxies)
        self.proxies = networks_of(<const uint8_t *><const char *>four, len(four),
                                   <const uint8_t *><const char *>six, len(six))
        self.has_proxies = len(service.proxies) > 0
        self.limiter = service.limiter
        self.limits_clients = self.limiter is not None and self.limiter.limits_clients
        self.limits_strangers = self.limiter is not None and self.limiter.limits_strangers
        self.cookies = service.cookies
        self.gives_cookies = self.cookies is not None
        self.takes_notify = service.notify is not None
        self.client_option = service.client_option
        self._server_id, self.server_id_size = service.server_id, len(service.server_id)
        self.server_id = <const uint8_t *><const char *>self._server_id
        if self.server_id_size > MAX_SERVER_ID:
            raise ValueError("the server's ID is too long")
        self.rcode = -1
        self.use_own(b"" if service.own is None else service.own.cookies)
        if service.selftest is not None:
            self._take_secret(service.selftest.key.secret)

    def use_own(self, bytes cookies):
        """Leave questions with these client cookies to the pipeline: they are blockd's own."""
        self._own_cookies = cookies
        self.own, self.own_count = <const uint8_t *><const char *>cookies, len(cookies) // 8

    def _take_secret(self, bytes secret):
        """Serve but do not count messages that end with `secret`, which are a self-test's."""
        if len(secret) != SECRET:
            raise ValueError("the secret is too short or too long")
        memcpy(self.secret, <const char *>secret, SECRET)
        self.knows_selftest = True

    cdef bint _is_selftest(self, const uint8_t *packet, uint32_t size) noexcept nogil:
        return self.knows_selftest and size > SECRET and memcmp(packet + size - SECRET, self.secret, SECRET) == 0

    cdef bint _unwrap(self, Peer *peer, const uint8_t **packet, uint32_t *size) noexcept nogil:
        """Take a front end's header off a datagram, and note its client; False if it is to be dropped.

        It is `ProxiedDatagrams.unwrap` in C.
        """
        cdef const sockaddr *sender = <const sockaddr *>&peer.address
        cdef uint32_t taken
        cdef bint is_local
        peer.is_relayed = False
        if is_proxied(packet[0], size[0]):
            if not self.has_proxies or not is_within(&self.proxies, sender):
                return False
            taken = read_header(packet[0], size[0], &peer.client, &is_local)
            if taken == 0:
                return False
            peer.is_relayed = not is_local
            packet[0] += taken
            size[0] -= taken
        elif self.has_proxies and is_within(&self.proxies, sender) and not self._is_selftest(packet[0], size[0]):
            if not self.takes_notify or not is_notify(packet[0], size[0]):
                return False
        if size[0] > MAX_DATAGRAM:
            size[0] = MAX_DATAGRAM
        return True

    cdef bint _serves(self, const sockaddr *address) noexcept nogil:
        return is_within(&self.networks, address)

    cdef Result _refuse(
        self, const uint8_t *packet, uint32_t size, int transport, uint8_t *out, uint32_t *written
    ) noexcept nogil:
        """Answer a client that is not served, as `Pipeline` does."""
        if self.takes_notify and is_notify(packet, size):
            return DECLINED
        self.row[transport] += 1
        written[0] = write_refusal(out, packet, size)
        if written[0] == 0:
            return SILENT
        self.rcode = types.REFUSED
        self.kind = STRANGERS
        return ANSWERED

    cdef void _prepare(self, Question *q, const sockaddr *client) noexcept nogil:
        """Note the options of the answer to a question, and whether its client is known, as `ReplyOptions.prepare` does."""
        cdef const uint8_t *host
        cdef int host_size, standing
        cdef uint64_t head, signature
        cdef uint8_t *at = q.reply
        if q.cookie_size and self.gives_cookies:
            host = host_of(client, &host_size)
            standing = self.cookies.judge(q.cookie, q.cookie_size, host, host_size, <uint32_t>self.second)
            q.is_known = standing >= KNOWN
            write_u16(at, types.COOKIE_OPTION)
            write_u16(at + 2, WHOLE)
            if standing == FRESH:
                memcpy(at + 4, q.cookie, WHOLE)
            else:
                head = self.cookies.head(<uint32_t>self.second)
                signature = self.cookies.sign(0, q.cookie, head, host, host_size)
                memcpy(at + 4, q.cookie, CLIENT_COOKIE)
                memcpy(at + 4 + CLIENT_COOKIE, &head, 8)
                memcpy(at + 12 + CLIENT_COOKIE, &signature, 8)
            at += OPTION
        if q.keeps_alive and self.keepalive:
            write_u16(at, types.KEEPALIVE_OPTION)
            write_u16(at + 2, 2)
            write_u16(at + 4, self.keepalive)
            at += 6
        if q.asks_nsid and self.server_id_size:
            write_u16(at, types.NSID_OPTION)
            write_u16(at + 2, self.server_id_size)
            memcpy(at + 4, self.server_id, self.server_id_size)
            at += 4 + self.server_id_size
        q.reply_size = <uint32_t>(at - q.reply)

    cdef bint _is_limited(self, const sockaddr *client) noexcept nogil:
        """Return whether answers like the one that was written last are limited for a client."""
        cdef bint is_set = self.limits_strangers if self.kind == STRANGERS else self.limits_clients
        return is_set and not is_within(&self.unlimited, client)

    cdef void _leave(
        self, const Question *q, const sockaddr *client, bint over_udp, uint8_t *out, uint32_t *written, double now
    ) noexcept nogil:
        """Count the answer that was written, unless the rate limit withholds it, as `Sending.sent` does."""
        cdef int rcode = self.rcode, fate
        cdef const uint8_t *host
        cdef int host_size
        cdef bint has_cookie
        self.rcode = -1
        if rcode < 0:
            return
        if over_udp and self._is_limited(client) and (self.kind == STRANGERS or not q.is_known):
            host = host_of(client, &host_size)
            has_cookie = self.kind != STRANGERS and q.cookie_size > 0 and self.gives_cookies
            fate = self.limiter.judge(out, written[0], rcode, host, host_size, self.kind, has_cookie, now)
            if fate != PASSED:
                self.row[_LIMITED_AT + self.kind * _LIMITED_WIDTH + fate - 1] += 1
                if fate == DROPPED:
                    written[0] = 0
                    return
                rcode = types.NOERROR if fate == TRUNCATED else types.BADCOOKIE
                written[0] = write_answer(out, q, rcode, 0, 0, 0, out, 0, out, 0, False, fate == TRUNCATED)
        self.row[_ANSWERS_AT + rcode] += 1
