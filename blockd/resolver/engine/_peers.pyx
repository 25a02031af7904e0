# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Conversion of peers between the engine's structs and Python's socket addresses."""

import socket as sockets

from libc.stdint cimport uint8_t
from libc.string cimport memcpy, memset

from blockd.resolver.engine._outbox cimport Peer, client_of
from blockd.resolver.engine._sockets cimport AF_INET, AF_INET6, cmsghdr, sockaddr, sockaddr_in, sockaddr_in6


cdef address_of(const Peer *peer):
    """Return the address of a peer as Python's sockets write it."""
    cdef const sockaddr_in *four
    cdef const sockaddr_in6 *six
    if (<const sockaddr *>&peer.address).sa_family == AF_INET:
        four = <const sockaddr_in *>&peer.address
        return _host(<const sockaddr *>four), sockets.ntohs(four.sin_port)
    six = <const sockaddr_in6 *>&peer.address
    host = _host(<const sockaddr *>six)
    return host, sockets.ntohs(six.sin6_port), sockets.ntohl(six.sin6_flowinfo), six.sin6_scope_id


cdef client_text(const Peer *peer):
    """Return the host of who asks as Python's sockets write it."""
    return _host(client_of(peer))


cdef _host(const sockaddr *address):
    if address.sa_family == AF_INET:
        return sockets.inet_ntop(sockets.AF_INET, (<const uint8_t *>&(<const sockaddr_in *>address).sin_addr)[:4])
    return sockets.inet_ntop(sockets.AF_INET6, (<const sockaddr_in6 *>address).sin6_addr.s6_addr[:16])


cdef address_into(Peer *peer, str host):
    """Write a host as an address, to check whether it is served."""
    cdef sockaddr_in *four = <sockaddr_in *>&peer.address
    cdef sockaddr_in6 *six = <sockaddr_in6 *>&peer.address
    cdef bytes packed
    memset(peer, 0, sizeof(Peer))
    if ":" in host:
        packed = sockets.inet_pton(sockets.AF_INET6, host.partition("%")[0])
        six.sin6_family = AF_INET6
        memcpy(six.sin6_addr.s6_addr, <const char *>packed, 16)
    else:
        packed = sockets.inet_aton(host)
        four.sin_family = AF_INET
        memcpy(&four.sin_addr, <const char *>packed, 4)


cdef ancillary_of(const Peer *peer):
    """Return the control messages of a peer as Python's sockets write them."""
    cdef cmsghdr *control
    if peer.control_size < sizeof(cmsghdr):
        return []
    control = <cmsghdr *>peer.control
    if control.cmsg_len < sizeof(cmsghdr) or control.cmsg_len > peer.control_size:
        return []
    data = peer.control[sizeof(cmsghdr):control.cmsg_len]
    return [(control.cmsg_level, control.cmsg_type, data)]
