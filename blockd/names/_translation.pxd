# IPv4 addresses within IPv6 ones, as translation.py says.

from libc.stdint cimport uint8_t, uint32_t
from libc.string cimport memcmp, memcpy

cdef enum:
    UNUSED = 8  # octet 64 to 71 of an address, which is none of the IPv4 address's (RFC 6052 section 2.2)

cdef struct Translation:
    uint8_t octets  # of the prefix
    uint8_t prefix[16]

cdef inline bint ipv4_within(
    const Translation *translations, uint32_t count, const uint8_t *packed, uint8_t *ipv4
) noexcept nogil:
    """Write the IPv4 address within an address of 16 octets; False if there is none."""
    cdef uint32_t i, start
    for i in range(count):
        start = translations[i].octets
        if memcmp(packed, translations[i].prefix, start) != 0:
            continue
        if start > UNUSED or start + 4 <= UNUSED:
            memcpy(ipv4, packed + start, 4)
        else:
            memcpy(ipv4, packed + start, UNUSED - start)
            memcpy(ipv4 + UNUSED - start, packed + UNUSED + 1, 4 - (UNUSED - start))
        return True
    return False

cdef inline void as_ipv6(const uint8_t *packed, uint32_t size, uint8_t *mapped) noexcept nogil:
    """Write the 16 octets by which an address is compared with others: an IPv4 address is mapped."""
    if size == 4:
        memcpy(mapped, b"\0\0\0\0\0\0\0\0\0\0\xff\xff", 12)
        memcpy(mapped + 12, packed, 4)
    else:
        memcpy(mapped, packed, 16)
