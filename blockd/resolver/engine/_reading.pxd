from libc.stdint cimport uint8_t, uint16_t, uint32_t

from blockd.dns cimport _types as types
from blockd.resolver.engine._cache cimport Entry
from blockd.resolver.engine._options cimport Errors

cdef enum Said:
    SAID_ANSWER = 0  # there is an entry, unless memory is lacking
    SAID_TRUNCATED = 1  # to be asked again over a stream
    SAID_FAILURE = 2  # an rcode other than NOERROR and NXDOMAIN
    SAID_MALFORMED = 3
    SAID_TOO_FAR = 4  # it leads to more than is looked up
    SAID_TOO_LONG = 5  # its names have more labels than are read

cdef struct Reading:
    Said said
    uint16_t rcode  # with the upper bits that OPT has
    uint32_t lifetime  # seconds, of an answer
    Errors errors  # of a failure; an answer's are in its entry


cdef Entry *read_response(
    const uint8_t *message, uint32_t size, uint32_t question_size, const uint8_t *key, uint32_t key_size, bint do_,
    Reading *reading,
) noexcept nogil


cdef inline bint is_header_only(const uint8_t *message, uint32_t size) noexcept nogil:
    """Return whether a message is a bare header with an error other than NXDOMAIN, as unbound's own REFUSED is."""
    cdef uint32_t i, rcode
    if size != types.HEADER_SIZE or message[2] & 0xFA != types.QR >> 8:
        return False
    rcode = message[3] & types.RCODE
    if rcode == types.NOERROR or rcode == types.NXDOMAIN:
        return False
    for i in range(4, types.HEADER_SIZE):
        if message[i]:
            return False
    return True
