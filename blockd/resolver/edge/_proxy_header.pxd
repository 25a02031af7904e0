# What a front end says of the client that it asks for; `blockd.resolver.edge.proxy_header` in C.

from libc.stdint cimport uint8_t, uint32_t
from libc.string cimport memcmp, memcpy, memset

from blockd.dns._cursor cimport read_u16
from blockd.resolver._numbers cimport FIXED_HEADER, MAX_HEADER
from blockd.resolver.engine._sockets cimport AF_INET, AF_INET6, sockaddr_in, sockaddr_in6

cdef enum:
    VERSION_2 = 2
    COMMAND_LOCAL = 0
    COMMAND_PROXY = 1
    FAMILY_IPV4 = 1
    FAMILY_IPV6 = 2
    PORTS = 4  # octets of two ports, behind two addresses
    TLV = 3  # octets of a TLV's type and length


cdef inline bint is_proxied(const uint8_t *packet, uint32_t size) noexcept nogil:
    """Return whether a message begins with the signature of a header, right or wrong."""
    return size >= 12 and packet[0] == 13 and memcmp(packet, b"\r\n\r\n\0\r\nQUIT\n", 12) == 0


cdef inline uint32_t read_header(
    const uint8_t *packet, uint32_t size, sockaddr_in6 *client, bint *is_local
) noexcept nogil:
    """Return the octets of the whole header that a message begins with, 0 if it cannot be taken; write its client.

    `client`, which may be one of IPv4, is not written if the front end asks for itself.
    """
    cdef uint32_t end, at, address
    cdef int command, family, protocol
    cdef const uint8_t *host = packet + FIXED_HEADER
    if size < FIXED_HEADER or not is_proxied(packet, size) or packet[12] >> 4 != VERSION_2:
        return 0
    command, family, protocol = packet[12] & 15, packet[13] >> 4, packet[13] & 15
    end = FIXED_HEADER + read_u16(packet + 14)
    if end > MAX_HEADER or end > size:
        return 0
    is_local[0] = command == COMMAND_LOCAL
    if is_local[0]:
        return end
    if command != COMMAND_PROXY or protocol < 1 or protocol > 2 or (family != FAMILY_IPV4 and family != FAMILY_IPV6):
        return 0
    address = 4 if family == FAMILY_IPV4 else 16
    at = FIXED_HEADER + 2 * address + PORTS
    if at > end:
        return 0
    while at <= end and end - at >= TLV:
        at += TLV + read_u16(packet + at + 1)
    if at != end:
        return 0
    memset(client, 0, sizeof(sockaddr_in6))
    if address == 16 and memcmp(host, b"\0\0\0\0\0\0\0\0\0\0\xff\xff", 12) == 0:  # an IPv4 address in an IPv6 one
        address = 4
        host += 12
    if address == 4:
        (<sockaddr_in *>client).sin_family = AF_INET
        memcpy(&(<sockaddr_in *>client).sin_addr, host, 4)
    else:
        client.sin6_family = AF_INET6
        memcpy(client.sin6_addr.s6_addr, host, 16)
    return end
