from libc.stdint cimport uint8_t, uint32_t

from blockd.dns cimport _types as types
from blockd.resolver.engine._sockets cimport iovec, mmsghdr, sockaddr, sockaddr_in6, sockaddr_storage, socklen_t

cdef enum:
    BATCH = 64  # messages read or sent in one call, so that other sockets and timers get their turn
    OUT_SIZE = types.MAX_UDP + 48  # octets for one answer over UDP, with some reserve
    CONTROL_SIZE = 64  # octets: one IP_PKTINFO or IPV6_PKTINFO

cdef struct Peer:
    # Where a message came from, and its destination address; and who asks, if a front end said that it does for another.
    socklen_t address_size
    uint32_t control_size
    sockaddr_storage address
    uint8_t control[CONTROL_SIZE]
    sockaddr_in6 client  # or one of IPv4, if `is_relayed`
    bint is_relayed


cdef inline const sockaddr *client_of(const Peer *peer) noexcept nogil:
    """Return the address of who asks."""
    return <const sockaddr *>&peer.client if peer.is_relayed else <const sockaddr *>&peer.address


cdef class Outbox:
    cdef int descriptor
    cdef int count
    cdef mmsghdr headers[BATCH]
    cdef iovec vectors[BATCH]
    cdef Peer peers[BATCH]
    cdef uint8_t buffers[BATCH][OUT_SIZE]

    cdef uint8_t *room(self, int descriptor) noexcept nogil
    cdef void put(self, const Peer *peer, uint32_t size) noexcept nogil
    cdef void flush(self) noexcept nogil
