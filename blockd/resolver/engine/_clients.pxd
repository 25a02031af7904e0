"""Whether an address lies in one of some networks; `blockd.resolver.clients.packed_networks` packs them."""

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from blockd.resolver.engine._sockets cimport AF_INET, AF_INET6, ntohl, sockaddr, sockaddr_in, sockaddr_in6
from blockd.resolver.forwarding.native._flights cimport Asker

cdef struct Networks:
    const Span4 *four  # in order, none within another
    const Span6 *six
    int count4
    int count6

cdef struct Span4:
    uint32_t first
    uint32_t last

cdef struct Span6:
    uint64_t first_upper
    uint64_t first_lower
    uint64_t last_upper
    uint64_t last_lower


cdef inline Networks networks_of(const uint8_t *four, int size4, const uint8_t *six, int size6) noexcept nogil:
    """Return networks as they are packed, with the octets that they take."""
    return Networks(<const Span4 *>four, <const Span6 *>six, size4 // sizeof(Span4), size6 // sizeof(Span6))


cdef inline bint is_within(const Networks *networks, const sockaddr *address) noexcept nogil:
    """Return whether an address lies in one of the networks."""
    if address.sa_family == AF_INET:
        return _is_within4(networks, ntohl((<const sockaddr_in *>address).sin_addr.s_addr))
    if address.sa_family == AF_INET6:
        return _is_within6(networks, (<const sockaddr_in6 *>address).sin6_addr.s6_addr)
    return False


cdef inline Asker asker_of(const sockaddr *address) noexcept nogil:
    """Return who asks from an address, as `keys_of` does: its octets, or the upper half of an IPv6 one."""
    cdef Asker asker
    cdef const uint8_t *host
    memset(&asker, 0, sizeof(asker))
    if address.sa_family == AF_INET:
        asker.size = 4
        memcpy(asker.octets, &(<const sockaddr_in *>address).sin_addr, 4)
    elif address.sa_family == AF_INET6:
        host = (<const sockaddr_in6 *>address).sin6_addr.s6_addr
        if _half(host) == 0 and _half(host + 8) >> 32 == 0xFFFF:  # an IPv4 address in an IPv6 one, RFC 4291 section 2.5.5.2
            asker.size = 4
            memcpy(asker.octets, host + 12, 4)
        else:
            asker.size = 8
            memcpy(asker.octets, host, 8)
    return asker


cdef inline bint _is_within4(const Networks *networks, uint32_t host) noexcept nogil:
    cdef int low = 0, high = networks.count4, middle
    while low < high:  # the last one that does not begin behind the address
        middle = (low + high) // 2
        if networks.four[middle].first <= host:
            low = middle + 1
        else:
            high = middle
    return low > 0 and host <= networks.four[low - 1].last


cdef inline bint _is_within6(const Networks *networks, const uint8_t *host) noexcept nogil:
    cdef int low = 0, high = networks.count6, middle
    cdef uint64_t upper = _half(host), lower = _half(host + 8)
    cdef const Span6 *span
    while low < high:
        middle = (low + high) // 2
        span = &networks.six[middle]
        if span.first_upper < upper or span.first_upper == upper and span.first_lower <= lower:
            low = middle + 1
        else:
            high = middle
    if low == 0:
        return False
    span = &networks.six[low - 1]
    return upper < span.last_upper or upper == span.last_upper and lower <= span.last_lower


cdef inline uint64_t _half(const uint8_t *octets) noexcept nogil:
    cdef uint64_t number = 0
    cdef int i
    for i in range(8):
        number = number << 8 | octets[i]
    return number
