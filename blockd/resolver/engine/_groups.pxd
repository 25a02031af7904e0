"""The group of a client: the twin of `names/prefix_table.py`, whose changes of IPv4 and IPv6 are searched here."""

from libc.stdint cimport uint8_t, uint32_t
from libc.string cimport memcmp

from blockd.resolver.engine._sockets cimport AF_INET, AF_INET6, sockaddr, sockaddr_in, sockaddr_in6

cdef struct Groups:
    const uint8_t *four  # addresses at which the group changes, in order, 4 octets each
    const uint8_t *groups4  # which it is from there on
    const uint8_t *six  # the same, 16 octets each
    const uint8_t *groups6
    uint32_t count4
    uint32_t count6

cdef inline Groups groups_of(tuple four, tuple six):
    """Return the groups of `PrefixTable.changes` of IPv4 and IPv6, which must be kept."""
    cdef Groups made
    made.four = <const uint8_t *><const char *>(<bytes>four[0])
    made.groups4, made.count4 = <const uint8_t *><const char *>(<bytes>four[1]), len(four[1])
    made.six = <const uint8_t *><const char *>(<bytes>six[0])
    made.groups6, made.count6 = <const uint8_t *><const char *>(<bytes>six[1]), len(six[1])
    return made

cdef inline uint32_t _number_of(const uint8_t *octets) noexcept nogil:
    return <uint32_t>octets[0] << 24 | <uint32_t>octets[1] << 16 | <uint32_t>octets[2] << 8 | octets[3]

cdef inline uint32_t group_of(const Groups *groups, const sockaddr *client) noexcept nogil:
    """Return the number of a client's group; 0 if it is in none."""
    cdef const uint8_t *octets
    cdef uint32_t host, middle, low = 0, high
    if client.sa_family == AF_INET and groups.count4:
        octets = <const uint8_t *>&(<const sockaddr_in *>client).sin_addr
        host = _number_of(octets)
        high = groups.count4
        while low < high:
            middle = (low + high) // 2
            if _number_of(groups.four + <size_t>middle * 4) <= host:
                low = middle + 1
            else:
                high = middle
        return groups.groups4[low - 1] if low else 0
    if client.sa_family == AF_INET6 and groups.count6:
        octets = <const uint8_t *>&(<const sockaddr_in6 *>client).sin6_addr
        high = groups.count6
        while low < high:
            middle = (low + high) // 2
            if memcmp(groups.six + <size_t>middle * 16, octets, 16) <= 0:
                low = middle + 1
            else:
                high = middle
        return groups.groups6[low - 1] if low else 0
    return 0
