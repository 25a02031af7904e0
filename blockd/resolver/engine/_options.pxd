from libc.stdint cimport uint8_t, uint32_t

cdef enum:
    ERRORS_SIZE = 1024  # octets: more than MAX_ERRORS options with MAX_ERROR_TEXT octets of text take

cdef struct Errors:
    uint32_t size
    uint8_t octets[ERRORS_SIZE]

cdef bint read_options(const uint8_t *data, uint32_t size, Errors *errors) noexcept nogil
