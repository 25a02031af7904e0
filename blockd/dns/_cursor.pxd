# A bounds-checked cursor over raw octets: a pointer and what is left. A read beyond the end gives zero and marks the
# cursor as failed, so that a parser checks once, at its end.

from libc.stdint cimport uint8_t, uint16_t, uint32_t

from blockd.names._numbers cimport MAX_LABEL
from blockd.dns cimport _types as types


cdef struct Cursor:
    const uint8_t *at
    uint32_t left
    bint failed


cdef inline Cursor cursor_over(const uint8_t *octets, uint32_t size) noexcept nogil:
    cdef Cursor c
    c.at = octets
    c.left = size
    c.failed = False
    return c


cdef inline const uint8_t *take(Cursor *c, uint32_t count) noexcept nogil:
    """Return a pointer to the next `count` octets and step behind them; NULL if there are fewer."""
    cdef const uint8_t *start = c.at
    if count > c.left:
        c.failed = True
        c.left = 0
        return NULL
    c.at += count
    c.left -= count
    return start


cdef inline uint8_t take_u8(Cursor *c) noexcept nogil:
    cdef const uint8_t *p = take(c, 1)
    return p[0] if p != NULL else 0


cdef inline uint16_t take_u16(Cursor *c) noexcept nogil:
    cdef const uint8_t *p = take(c, 2)
    return (<uint16_t>p[0] << 8 | p[1]) if p != NULL else 0


cdef inline uint32_t take_u32(Cursor *c) noexcept nogil:
    cdef const uint8_t *p = take(c, 4)
    if p == NULL:
        return 0
    return <uint32_t>p[0] << 24 | <uint32_t>p[1] << 16 | <uint32_t>p[2] << 8 | p[3]


cdef inline void skip_name(Cursor *c) noexcept nogil:
    """Step behind a name, compressed or not (RFC 1035 section 4.1.4)."""
    cdef uint8_t length
    while not c.failed:
        length = take_u8(c)
        if length == 0:
            return
        if length >= types.POINTER:
            take(c, 1)
            return
        if length > MAX_LABEL:
            c.failed = True
            return
        take(c, length)


cdef inline uint16_t read_u16(const uint8_t *p) noexcept nogil:
    return <uint16_t>p[0] << 8 | p[1]


cdef inline void write_u16(uint8_t *p, uint32_t value) noexcept nogil:
    p[0] = <uint8_t>(value >> 8)
    p[1] = <uint8_t>value


cdef inline void write_u32(uint8_t *p, uint32_t value) noexcept nogil:
    p[0] = <uint8_t>(value >> 24)
    p[1] = <uint8_t>(value >> 16)
    p[2] = <uint8_t>(value >> 8)
    p[3] = <uint8_t>value


cdef inline uint8_t folded(uint8_t octet) noexcept nogil:
    """ASCII letters in lower case (RFC 4343)."""
    return octet + 32 if 65 <= octet <= 90 else octet
