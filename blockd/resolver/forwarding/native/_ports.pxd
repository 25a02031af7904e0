from libc.stdint cimport uint8_t, uint16_t, uint32_t

from blockd.resolver._ages cimport Ages
from blockd.resolver.engine._sockets cimport sockaddr_storage, socklen_t
from blockd.resolver.forwarding.native._chance cimport Chance

cdef enum:
    NOWHERE = -1
    BIND_TRIES = 64  # random ports tried for one socket: that many in a row are only taken where nearly all are

cdef struct Port:
    int descriptor  # NOWHERE while it is closed
    int upstream
    int flying  # tries sent from it whose answers are listened for
    int strays  # messages that answered nothing, while something was listened for
    bint is_leaving  # nothing more is sent from it: it is closed as soon as nothing is listened for
    bint is_refused  # the network said that what was sent from it did not arrive
    int error  # what it said
    Ages ears  # `Ear` of `_flights.pxd`: what is listened for here


cdef class Ports:
    cdef Port *ports
    cdef readonly int count  # of all upstreams together
    cdef readonly int each  # of one upstream
    cdef readonly int open  # sockets
    cdef int epoll
    cdef sockaddr_storage *addresses  # of the upstreams
    cdef char *zones  # of the addresses, IF_NAMESIZE octets each: the interface of a link-local one, else empty
    cdef socklen_t *sizes  # of the addresses; 0 for an upstream that is not asked over UDP
    cdef int upstreams
    cdef int *refused  # places of ports that are `is_refused`
    cdef int refused_count
    cdef int renewed  # the place of the port that was renewed last
    cdef int leaving
    cdef uint8_t avoided[8192]  # a bit for each port number that is not used
    cdef Chance chance

    cdef int choose(self, int upstream) noexcept nogil
    cdef int _opened(self, int upstream) noexcept nogil
    cdef bint _find_interface(self, int upstream) noexcept nogil
    cdef void shut(self, int place) noexcept nogil
    cdef void shut_all(self) noexcept nogil
    cdef void shut_idle(self, int upstream) noexcept nogil
    cdef void refuse(self, int place, int error) noexcept nogil
    cdef void renew(self) noexcept nogil
