# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""The EDNS options of an upstream's message; `reading/extended_errors.py` in C."""

from libc.string cimport memcpy

from blockd.resolver.reading.extended_errors import sane_error

from blockd.dns cimport _types as types
from blockd.dns._cursor cimport Cursor, cursor_over, take, take_u16, write_u16
from blockd.resolver._numbers cimport MAX_ERROR_TEXT, MAX_ERRORS
from blockd.resolver.engine._message cimport is_cookie_size


cdef bint read_options(const uint8_t *data, uint32_t size, Errors *errors) noexcept nogil:
    """Keep the first Extended DNS Errors among EDNS options; False if one is truncated."""
    cdef Cursor c = cursor_over(data, size)
    cdef uint32_t code, length, kept = 0
    cdef const uint8_t *option
    errors.size = 0
    while c.left:
        option = c.at
        code = take_u16(&c)
        length = take_u16(&c)
        take(&c, length)
        if c.failed or (code == types.EDE_OPTION and length < 2):
            return False
        if code == types.COOKIE_OPTION and not is_cookie_size(length):
            return False
        if code == types.EDE_OPTION and kept < MAX_ERRORS:
            kept += 1
            _keep_error(option, length, errors)
    return True


cdef void _keep_error(const uint8_t *option, uint32_t length, Errors *errors) noexcept nogil:
    """Keep an Extended DNS Error, its text made printable and cut."""
    cdef uint8_t *out = errors.octets + errors.size
    cdef uint32_t text = length - 2, i
    cdef bint is_sane, is_blank = True
    if text and option[6 + text - 1] == 0:
        text -= 1
    is_sane = text <= MAX_ERROR_TEXT
    if is_sane:
        for i in range(text):
            if not 32 <= option[6 + i] < 127 or (is_blank and option[6 + i] == c"{"):
                is_sane = False
                break
            is_blank = is_blank and option[6 + i] == c" "
    if is_sane:
        memcpy(out, option, 6 + text)
        write_u16(out + 2, 2 + text)
        errors.size += 6 + text
        return
    with gil:  # rare: what looks like a structured error, or is printable as only Python knows
        _keep_insane(option, length, errors)


cdef void _keep_insane(const uint8_t *option, uint32_t length, Errors *errors) noexcept:
    cdef bytes sane = sane_error(<bytes>option[: 4 + length])
    if errors.size + <uint32_t>len(sane) <= ERRORS_SIZE:
        memcpy(errors.octets + errors.size, <const char *>sane, len(sane))
        errors.size += len(sane)
