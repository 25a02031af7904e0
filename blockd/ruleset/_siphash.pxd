# SipHash-1-3 (Aumasson and Bernstein, 2012) over a key that grows label by label: the full words are compressed once,
# and each label's end finishes a copy of the state.

from libc.stdint cimport uint8_t, uint64_t
from libc.string cimport memcpy


cdef struct SipState:
    uint64_t v0
    uint64_t v1
    uint64_t v2
    uint64_t v3


cdef inline void sip_start(SipState *s, uint64_t k0, uint64_t k1) noexcept nogil:
    s.v0 = k0 ^ <uint64_t>0x736f6d6570736575
    s.v1 = k1 ^ <uint64_t>0x646f72616e646f6d
    s.v2 = k0 ^ <uint64_t>0x6c7967656e657261
    s.v3 = k1 ^ <uint64_t>0x7465646279746573


cdef inline uint64_t _rotated(uint64_t x, int by) noexcept nogil:
    return (x << by) | (x >> (64 - by))


cdef inline void _round(SipState *s) noexcept nogil:
    s.v0 += s.v1
    s.v2 += s.v3
    s.v1 = _rotated(s.v1, 13) ^ s.v0
    s.v3 = _rotated(s.v3, 16) ^ s.v2
    s.v0 = _rotated(s.v0, 32)
    s.v2 += s.v1
    s.v0 += s.v3
    s.v1 = _rotated(s.v1, 17) ^ s.v2
    s.v3 = _rotated(s.v3, 21) ^ s.v0
    s.v2 = _rotated(s.v2, 32)


cdef inline void sip_word(SipState *s, uint64_t word) noexcept nogil:
    s.v3 ^= word
    _round(s)
    s.v0 ^= word


cdef inline uint64_t sip_end(SipState s, const uint8_t *tail, unsigned int total) noexcept nogil:
    """Finish a copy of the state with the last total % 8 octets, which start at `tail`."""
    cdef uint64_t last = 0
    memcpy(&last, tail, total & 7)
    last |= <uint64_t>total << 56
    sip_word(&s, last)
    s.v2 ^= 0xFF
    _round(&s)
    _round(&s)
    _round(&s)
    return s.v0 ^ s.v1 ^ s.v2 ^ s.v3


cdef inline uint64_t siphash13(uint64_t k0, uint64_t k1, const uint8_t *key, unsigned int size) noexcept nogil:
    """Hash a whole key at once."""
    cdef SipState s
    cdef uint64_t word
    cdef unsigned int at = 0
    sip_start(&s, k0, k1)
    while at + 8 <= size:
        memcpy(&word, key + at, 8)
        sip_word(&s, word)
        at += 8
    return sip_end(s, key + at, size)
