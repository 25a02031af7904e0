"""Whether an address lies in one of the networks that are served; `blockd.resolver.clients.packed_networks` packs them."""

from libc.stdint cimport uint8_t, uint32_t

from blockd.resolver.engine._sockets cimport AF_INET, AF_INET6, sockaddr, sockaddr_in, sockaddr_in6

cdef struct Networks:
    const uint8_t *four  # a network and its mask each, as `Mask4`
    const uint8_t *six  # 16 octets of a network, then 16 of its mask each
    int count4
    int count6

cdef struct Mask4:
    uint32_t network
    uint32_t mask

cdef inline bint is_served(const Networks *networks, const sockaddr *address) noexcept nogil:
    """Return whether an address lies in one of the networks."""
    cdef const Mask4 *four
    cdef const uint8_t *six
    cdef uint32_t host
    cdef const uint8_t *octets
    cdef int i, octet
    if address.sa_family == AF_INET:
        host = (<const sockaddr_in *>address).sin_addr.s_addr
        four = <const Mask4 *>networks.four
        for i in range(networks.count4):
            if host & four[i].mask == four[i].network:
                return True
    elif address.sa_family == AF_INET6:
        octets = <const uint8_t *>&(<const sockaddr_in6 *>address).sin6_addr
        for i in range(networks.count6):
            six = networks.six + i * 32
            for octet in range(16):
                if octets[octet] & six[16 + octet] != six[octet]:
                    break
            else:
                return True
    return False
