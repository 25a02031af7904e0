from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from blockd.resolver._numbers cimport SECRET
from blockd.resolver.edge.rate_limit cimport RateLimiter
from blockd.resolver.edge.server_cookies cimport ServerCookies
from blockd.resolver.engine._clients cimport Networks
from blockd.resolver.engine._message cimport Question
from blockd.resolver.engine._outbox cimport Peer
from blockd.resolver.engine._sockets cimport sockaddr

cdef enum Result:
    DECLINED = 0
    ANSWERED = 1
    SILENT = 2
    FLOWN = 3  # an upstream is asked
    MISSED = 4  # an upstream is to be asked


cdef class Edge:
    cdef bint is_selftest  # the message that is being answered is a self-test's
    cdef bint knows_selftest
    cdef uint8_t secret[SECRET]  # that a self-test's questions end with
    cdef uint64_t[::1] row
    cdef tuple _networks
    cdef Networks networks
    cdef tuple _unlimited
    cdef Networks unlimited  # whose answers are not limited
    cdef tuple _proxies
    cdef Networks proxies  # who say for whom they ask
    cdef bint has_proxies
    cdef RateLimiter limiter  # None for no limit
    cdef ServerCookies cookies  # None if clients get none
    cdef bint gives_cookies
    cdef bytes _server_id
    cdef const uint8_t *server_id
    cdef uint32_t server_id_size  # 0 if it is not told
    cdef uint32_t client_option  # the code of the EDNS option that asks for structured errors, 0 if there is none
    cdef uint32_t keepalive  # how long the connection of the message in hand may be idle, in units of 100 ms, 0 for none
    cdef bint limits_clients
    cdef bint limits_strangers
    cdef bint takes_notify
    cdef int rcode  # of the answer that was written last and not counted yet, below 0 if there is none
    cdef int kind  # that the rate limit counts it as
    cdef bytes _own_cookies
    cdef const uint8_t *own  # client cookies of blockd's own questions, of 8 octets each
    cdef uint32_t own_count
    cdef int64_t second  # since the epoch, of the current message; rounded up

    cdef bint _is_selftest(self, const uint8_t *packet, uint32_t size) noexcept nogil
    cdef bint _unwrap(self, Peer *peer, const uint8_t **packet, uint32_t *size) noexcept nogil
    cdef bint _serves(self, const sockaddr *address) noexcept nogil
    cdef Result _refuse(self, const uint8_t *packet, uint32_t size, int transport, uint8_t *out, uint32_t *written) noexcept nogil
    cdef void _prepare(self, Question *q, const sockaddr *client) noexcept nogil
    cdef bint _is_limited(self, const sockaddr *client) noexcept nogil
    cdef void _leave(self, const Question *q, const sockaddr *client, bint over_udp, uint8_t *out, uint32_t *written, double now) noexcept nogil
