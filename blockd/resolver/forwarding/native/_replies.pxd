# What an upstream's message is, before its records are read.

from libc.stdint cimport uint8_t, uint16_t, uint32_t
from libc.string cimport memcmp

from blockd.dns cimport _types as types
from blockd.dns._cursor cimport Cursor, cursor_over, folded, read_u16, skip_name, take, take_u16, take_u32
from blockd.resolver.forwarding.native._flights cimport Flight, Try

cdef enum Fit:
    FITS_NOT = 0
    FITS = 1
    FITS_BUT_FOR_CASE = 2
    FITS_ALONE = 3  # a header with an error, and nothing else

cdef struct Extras:
    bint has_opt
    bint is_cut  # its records end before the message does, or behind it
    uint16_t rcode  # with the bits that OPT adds
    uint32_t cookie_size
    const uint8_t *cookie  # the content of its COOKIE option, in the message


cdef inline bint is_letter(uint8_t octet) noexcept nogil:
    return 97 <= octet <= 122


cdef inline Fit fit_of(const Try *one, const uint8_t *message, uint32_t size) noexcept nogil:
    """Return whether a message with a try's ID answers it: QR, opcode and question (RFC 5452 section 9.1)."""
    cdef const Flight *flight = one.flight
    cdef const uint8_t *name = message + types.HEADER_SIZE
    cdef uint32_t i, labels = flight.question_size - 4
    cdef uint16_t rcode
    cdef uint8_t octet
    cdef bint keeps_case = True
    if size < types.HEADER_SIZE or not message[2] & 0x80 or message[2] & 0x78:
        return FITS_NOT
    if read_u16(message + 4) == 0:
        rcode = message[3] & 0x0F
        if size != types.HEADER_SIZE or rcode == types.NOERROR or rcode == types.NXDOMAIN:
            return FITS_NOT
        return FITS_ALONE if read_u16(message + 6) == read_u16(message + 8) == read_u16(message + 10) == 0 else FITS_NOT
    if read_u16(message + 4) != 1 or size < types.HEADER_SIZE + flight.question_size:
        return FITS_NOT
    if memcmp(name + labels, flight.question + labels, 4) != 0:
        return FITS_NOT
    if not one.is_mixed and memcmp(name, flight.question, labels) == 0:
        return FITS
    for i in range(labels):
        octet = flight.question[i]
        if folded(name[i]) != octet:
            return FITS_NOT
        if is_letter(octet) and name[i] != octet ^ (0x20 if one.cases[i >> 3] >> (i & 7) & 1 else 0):
            keeps_case = False
    return FITS if keeps_case or not one.is_mixed else FITS_BUT_FOR_CASE


cdef inline void extras_of(
    const uint8_t *message, uint32_t size, uint32_t question_size, Extras *extras
) noexcept nogil:
    """Read what a message's OPT record says."""
    cdef Cursor c = cursor_over(message, size)
    cdef Cursor options
    cdef uint32_t left, ttl
    cdef uint16_t kind, length, code
    cdef const uint8_t *at
    extras.has_opt = extras.is_cut = False
    extras.cookie_size = 0
    extras.cookie = NULL
    extras.rcode = message[3] & types.RCODE
    take(&c, 6)
    left = <uint32_t>take_u16(&c) + take_u16(&c) + take_u16(&c)
    take(&c, question_size)
    while left and not c.failed:  # each takes at least eleven octets
        left -= 1
        at = c.at
        skip_name(&c)
        kind = take_u16(&c)
        take_u16(&c)
        ttl = take_u32(&c)
        length = take_u16(&c)
        if kind != types.OPT or c.failed or at[0] != 0 or extras.has_opt:
            take(&c, length)
            continue
        at = take(&c, length)
        if c.failed:
            break
        extras.has_opt = True
        extras.rcode |= <uint16_t>(ttl >> 24 << 4)
        options = cursor_over(at, length)
        while options.left >= 4:
            at = options.at
            code = take_u16(&options)
            length = take_u16(&options)
            take(&options, length)
            if options.failed:
                break
            if code == types.COOKIE_OPTION and extras.cookie_size == 0:
                extras.cookie = at + 4
                extras.cookie_size = length
    extras.is_cut = c.failed
