# A sieve for names: what does not pass is not one of them.

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.stdint cimport uint8_t, uint32_t
from libc.string cimport memset

cdef enum:
    SIEVE = 1 << 13  # octets: with a few hundred names, one in a hundred others passes by chance


cdef inline uint32_t sieved(const uint8_t *name, uint32_t size) noexcept nogil:
    """Return a name's place in the sieve, from its last octets and its size, which tells most names apart."""
    cdef uint32_t mixed = size, at
    for at in range(size - 8 if size > 8 else 0, size):
        mixed = (mixed ^ name[at]) * <uint32_t>16777619
    return (mixed ^ mixed >> 16) & (SIEVE * 8 - 1)


cdef inline int fill_sieve(uint8_t *sieve, frozenset names) except -1:
    """Mark in an empty sieve where `names` are."""
    cdef uint32_t place
    cdef bytes name
    memset(sieve, 0, SIEVE)
    for name in names:
        place = sieved(<const uint8_t *>PyBytes_AS_STRING(name), <uint32_t>PyBytes_GET_SIZE(name))
        sieve[place >> 3] |= <uint8_t>(1 << (place & 7))
    return 0
