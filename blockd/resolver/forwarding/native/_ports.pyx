# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""The UDP sockets that upstreams are asked from: many for each, on random ports, opened when first used, then renewed.

Each is connected, so that the kernel drops what comes from elsewhere, and reports what does not arrive.
"""

import socket as sockets

from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memset

from blockd.resolver._numbers cimport LOWEST_PORT
from blockd.resolver.engine._sockets cimport AF_INET, AF_INET6, sockaddr, sockaddr_in, sockaddr_in6, sockaddr_storage
from blockd.resolver.forwarding.native._chance cimport draw
from blockd.resolver.forwarding.native._system cimport (
    IF_NAMESIZE, SOCK_CLOEXEC, SOCK_DGRAM, SOCK_NONBLOCK, bind, blockd_no_device, blockd_watch, close, connect, htons,
    if_nametoindex, socket,
)


cdef class Ports:
    """`addresses` has (host, port, zone) of each upstream, None for one that is not asked over UDP; the zone is the
    interface of a link-local address, and empty else.

    Each gets up to `each` sockets, which `epoll` watches with their places as data. `avoid` are port numbers.
    """

    def __init__(self, int epoll, addresses, int each, avoid):
        cdef int i
        cdef uint32_t number
        self.epoll = epoll
        self.upstreams = len(addresses)
        self.each = each
        self.count = self.upstreams * each
        self.ports = <Port *>calloc(self.count + 1, sizeof(Port))
        self.refused = <int *>calloc(self.count + 1, sizeof(int))
        self.addresses = <sockaddr_storage *>calloc(self.upstreams + 1, sizeof(sockaddr_storage))
        self.sizes = <socklen_t *>calloc(self.upstreams + 1, sizeof(socklen_t))
        self.zones = <char *>calloc(self.upstreams + 1, IF_NAMESIZE)
        if self.ports == NULL or self.refused == NULL or self.addresses == NULL or self.sizes == NULL:
            raise MemoryError
        if self.zones == NULL:
            raise MemoryError
        for i in range(self.count):
            self.ports[i].descriptor = NOWHERE
            self.ports[i].upstream = i // each
        for i, address in enumerate(addresses):
            if address is not None:
                self._take_address(i, *address)
        for number in avoid:
            if number < 65536:
                self.avoided[number >> 3] |= <uint8_t>(1 << (number & 7))

    def __dealloc__(self):
        cdef int i
        if self.ports != NULL:
            for i in range(self.count):
                if self.ports[i].descriptor >= 0:
                    close(self.ports[i].descriptor)
        free(self.ports)
        free(self.refused)
        free(self.addresses)
        free(self.sizes)
        free(self.zones)

    def numbers(self):
        """Return the port numbers of the open sockets, for tests."""
        found = []
        for i in range(self.count):
            if self.ports[i].descriptor >= 0:
                with sockets.socket(fileno=sockets.dup(self.ports[i].descriptor)) as sock:
                    found.append(sock.getsockname()[1])
        return found

    def _take_address(self, int i, str host, int port, str zone):
        cdef sockaddr_in *four = <sockaddr_in *>&self.addresses[i]
        cdef sockaddr_in6 *six = <sockaddr_in6 *>&self.addresses[i]
        cdef bytes packed, name
        if ":" in host:
            packed = sockets.inet_pton(sockets.AF_INET6, host)
            six.sin6_family = AF_INET6
            six.sin6_port = htons(port)
            name = zone.encode()
            if len(name) >= IF_NAMESIZE or b"\0" in name:
                name = b"/"  # which no interface is called
            memcpy(self.zones + i * IF_NAMESIZE, <const char *>name, len(name))
            memcpy(six.sin6_addr.s6_addr, <const char *>packed, 16)
            self.sizes[i] = sizeof(sockaddr_in6)
        else:
            packed = sockets.inet_pton(sockets.AF_INET, host)
            four.sin_family = AF_INET
            four.sin_port = htons(port)
            memcpy(&four.sin_addr, <const char *>packed, 4)
            self.sizes[i] = sizeof(sockaddr_in)

    cdef int choose(self, int upstream) noexcept nogil:
        """Return the place of a random open socket to an upstream; NOWHERE if none can be opened."""
        cdef uint32_t random = 0
        cdef int first = upstream * self.each, place, i, start
        if not draw(&self.chance, &random):
            return NOWHERE
        start = <int>(random % <uint32_t>self.each)
        for i in range(self.each):
            place = first + (start + i) % self.each
            if self.ports[place].is_leaving or self.ports[place].is_refused:
                continue
            if self.ports[place].descriptor < 0:
                self.ports[place].descriptor = self._opened(upstream)
                if self.ports[place].descriptor < 0:
                    break
                self.open += 1
                if blockd_watch(self.epoll, self.ports[place].descriptor, <uint32_t>place) < 0:
                    self.shut(place)
                    break
            return place
        for i in range(self.each):  # no more can be opened: one of those that are
            place = first + (start + i) % self.each
            if self.ports[place].descriptor >= 0 and not self.ports[place].is_leaving:
                return place
        return NOWHERE

    cdef int _opened(self, int upstream) noexcept nogil:
        """Return a new socket, connected to an upstream from a random port that is not avoided; else NOWHERE."""
        cdef sockaddr_storage local
        cdef const sockaddr *remote = <const sockaddr *>&self.addresses[upstream]
        cdef uint32_t random = 0, number
        cdef int descriptor, _try
        if self.sizes[upstream] == 0:
            return NOWHERE
        if not self._find_interface(upstream):
            return blockd_no_device()
        descriptor = socket(remote.sa_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)
        if descriptor < 0:
            return NOWHERE
        for _try in range(BIND_TRIES):
            if not draw(&self.chance, &random):
                break
            number = LOWEST_PORT + random % (65536 - LOWEST_PORT)
            if self.avoided[number >> 3] >> (number & 7) & 1:
                continue
            memset(&local, 0, sizeof(local))
            if remote.sa_family == AF_INET:
                (<sockaddr_in *>&local).sin_family = AF_INET
                (<sockaddr_in *>&local).sin_port = htons(<uint16_t>number)
            else:
                (<sockaddr_in6 *>&local).sin6_family = AF_INET6
                (<sockaddr_in6 *>&local).sin6_port = htons(<uint16_t>number)
            if bind(descriptor, <const sockaddr *>&local, self.sizes[upstream]) == 0:
                if connect(descriptor, remote, self.sizes[upstream]) == 0:
                    return descriptor
                break
        close(descriptor)
        return NOWHERE

    cdef bint _find_interface(self, int upstream) noexcept nogil:
        """Write the number of an upstream's interface into its address; False if the machine does not have it.

        Numbers change as interfaces come and go, so it is found for each socket; what has no name is given by number.
        """
        cdef const char *zone = self.zones + upstream * IF_NAMESIZE
        cdef uint64_t number
        cdef int i
        if zone[0] == 0:
            return True
        number = if_nametoindex(zone)
        if number == 0:
            for i in range(IF_NAMESIZE):
                if zone[i] == 0:
                    break
                if not 48 <= zone[i] <= 57:
                    return False
                number = number * 10 + <uint64_t>(zone[i] - 48)
        if number == 0 or number >> 32:
            return False
        (<sockaddr_in6 *>&self.addresses[upstream]).sin6_scope_id = <uint32_t>number
        return True

    cdef void shut(self, int place) noexcept nogil:
        """Close a socket; the next one in its place has another port."""
        cdef Port *port = &self.ports[place]
        if port.descriptor >= 0:
            close(port.descriptor)
            port.descriptor = NOWHERE
            self.open -= 1
        if port.is_leaving:
            self.leaving -= 1
        port.is_leaving = False
        port.strays = 0

    cdef void shut_all(self) noexcept nogil:
        """Close all sockets."""
        cdef int place
        for place in range(self.count):
            self.shut(place)
            self.ports[place].is_refused = False
        self.refused_count = 0

    cdef void shut_idle(self, int upstream) noexcept nogil:
        """Close the sockets to an upstream that nothing is listened for on: the way to it is another than before."""
        cdef int place
        for place in range(upstream * self.each, (upstream + 1) * self.each):
            if self.ports[place].descriptor >= 0 and self.ports[place].flying == 0:
                self.shut(place)

    cdef void refuse(self, int place, int error) noexcept nogil:
        """Note that the network said that what was sent from a socket did not arrive."""
        if not self.ports[place].is_refused:
            self.ports[place].is_refused = True
            self.ports[place].error = error
            self.refused[self.refused_count] = place
            self.refused_count += 1

    cdef void renew(self) noexcept nogil:
        """Close the next open socket as soon as it is idle; it is opened again, on another port, when it is used."""
        cdef int _i
        cdef Port *port
        if self.leaving * 2 >= self.each:
            return
        for _i in range(self.count):
            self.renewed = self.renewed + 1 if self.renewed + 1 < self.count else 0
            port = &self.ports[self.renewed]
            if port.descriptor >= 0 and not port.is_leaving:
                if port.flying:
                    port.is_leaving = True
                    self.leaving += 1
                else:
                    self.shut(self.renewed)
                return
