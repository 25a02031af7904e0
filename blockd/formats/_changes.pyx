# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Where two versions of a text differ, line by line, at the speed of memory.

Versions of a list differ little: long equal runs, and few lines added or removed. Runs are skipped by comparing octets.
Where one ends, the lines ahead in both are hashed until a line of one is found in the other. The result need not be the
shortest, only correct: the new text is the old one with the given lines replaced.
"""

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.mem cimport PyMem_RawCalloc, PyMem_RawFree
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memchr, memcmp, memcpy

cdef enum:
    AHEAD = 1 << 15  # lines read ahead in each text for one that both have
    PLACES = 1 << 17  # of a table of lines read ahead: four times as many, so that searches are short
    PROBES = 16  # places tried for one line; a line that is not found by then only makes the result longer
    STEP = 4096  # octets compared at once

cdef struct Place:
    uint32_t search  # the place is free in every other search
    uint32_t line
    uint64_t hashed

cdef struct Text:
    const uint8_t *octets
    uint64_t size
    uint64_t at  # where the current line begins
    uint64_t ahead  # where the next line to be read ahead begins
    uint32_t count  # lines read ahead
    uint64_t *starts  # of lines read ahead, and the end of the last
    uint64_t *hashes
    Place *places


cdef bint _allocated(Text *text) noexcept:
    text.starts = <uint64_t *>PyMem_RawCalloc(AHEAD + 1, sizeof(uint64_t))
    text.hashes = <uint64_t *>PyMem_RawCalloc(AHEAD, sizeof(uint64_t))
    text.places = <Place *>PyMem_RawCalloc(PLACES, sizeof(Place))
    return text.starts != NULL and text.hashes != NULL and text.places != NULL


cdef void _free(Text *text) noexcept:
    PyMem_RawFree(text.starts)
    PyMem_RawFree(text.hashes)
    PyMem_RawFree(text.places)


def changed_lines(old, new, uint64_t limit):
    """Return where lines were replaced, in order: begin and end in `old` and in `new`, the lines before them in each.

    Both texts end with a line feed. None if more than `limit` lines were added or removed.
    """
    cdef Py_buffer old_view, new_view
    cdef Text one, two
    cdef uint64_t changed = 0, old_line = 0, new_line = 0, equal
    cdef uint32_t search = 0, kept_old, kept_new
    found = []
    PyObject_GetBuffer(old, &old_view, PyBUF_SIMPLE)
    try:
        PyObject_GetBuffer(new, &new_view, PyBUF_SIMPLE)
    except BaseException:
        PyBuffer_Release(&old_view)
        raise
    one.octets, one.size, one.at = <const uint8_t *>old_view.buf, old_view.len, 0
    two.octets, two.size, two.at = <const uint8_t *>new_view.buf, new_view.len, 0
    one.starts = one.hashes = two.starts = two.hashes = NULL
    one.places = two.places = NULL
    try:
        for view in (old, new):
            if len(view) == 0 or view[len(view) - 1] != 0x0A:
                raise ValueError("a text ends with a line feed")
        if not _allocated(&one) or not _allocated(&two):
            raise MemoryError
        while True:
            equal = _skip_equal(&one, &two)
            old_line += equal
            new_line += equal
            if one.at == one.size and two.at == two.size:
                return found
            search += 1
            _search(&one, &two, search, &kept_old, &kept_new)
            changed += kept_old + kept_new
            if changed > limit:
                return None
            found.append((one.at, one.starts[kept_old], two.at, two.starts[kept_new], old_line, new_line))
            old_line += kept_old
            new_line += kept_new
            one.at, two.at = one.starts[kept_old], two.starts[kept_new]
    finally:
        _free(&one)
        _free(&two)
        PyBuffer_Release(&old_view)
        PyBuffer_Release(&new_view)


cdef uint64_t _skip_equal(Text *one, Text *two) noexcept nogil:
    """Move both after the whole lines in which they are equal, and return the number of these lines."""
    cdef uint64_t left = min(one.size - one.at, two.size - two.at), size = 0
    cdef const uint8_t *first = one.octets + one.at
    cdef const uint8_t *second = two.octets + two.at
    while size + STEP <= left and memcmp(first + size, second + size, STEP) == 0:
        size += STEP
    while size < left and first[size] == second[size]:
        size += 1
    while size and first[size - 1] != 0x0A:
        size -= 1
    one.at += size
    two.at += size
    return _line_feeds(first, size)


cdef uint64_t _line_feeds(const uint8_t *octets, uint64_t size) noexcept nogil:
    """Return the number of line feeds, counted eight octets at a time."""
    cdef uint64_t low = <uint64_t>0x7F7F7F7F7F7F7F7F, ones = <uint64_t>0x0101010101010101, at = 0, word, count = 0
    while at + 8 <= size:
        memcpy(&word, octets + at, 8)
        word ^= ones * 0x0A  # an octet is zero where there was a line feed,
        word = ~(((word & low) + low) | word | low)  # and its highest bit alone is set here
        count += ((word >> 7) * ones) >> 56
        at += 8
    while at < size:
        count += octets[at] == 0x0A
        at += 1
    return count


cdef void _search(Text *one, Text *two, uint32_t search, uint32_t *kept_old, uint32_t *kept_new) noexcept nogil:
    """Read ahead until a line is in both; set how many lines precede it in each, or all that were read if none is."""
    one.count = two.count = 0
    one.ahead, two.ahead = one.at, two.at
    one.starts[0], two.starts[0] = one.at, two.at
    while one.count < AHEAD and two.count < AHEAD and (one.ahead < one.size or two.ahead < two.size):
        if one.ahead < one.size:
            _read(one, search)
            if _met(two, search, one, one.count - 1, kept_new):
                kept_old[0] = one.count - 1
                return
        if two.ahead < two.size:
            _read(two, search)
            if _met(one, search, two, two.count - 1, kept_old):
                kept_new[0] = two.count - 1
                return
    kept_old[0], kept_new[0] = one.count, two.count


cdef void _read(Text *text, uint32_t search) noexcept nogil:
    """Read one line ahead and record it; there is one, and room for it."""
    cdef const uint8_t *line = text.octets + text.ahead
    cdef const uint8_t *end = <const uint8_t *>memchr(line, 0x0A, text.size - text.ahead)  # the text ends with one
    cdef uint64_t size = end - line + 1, at = 0, word = 0, hashed = size * <uint64_t>0x9E3779B97F4A7C15
    cdef uint32_t place, _
    while at < size:
        word = 0
        memcpy(&word, line + at, min(8, size - at))
        hashed = (hashed ^ word) * <uint64_t>0xFF51AFD7ED558CCD
        hashed ^= hashed >> 32
        at += 8
    text.hashes[text.count] = hashed
    text.ahead += size
    text.count += 1
    text.starts[text.count] = text.ahead
    place = hashed & (PLACES - 1)
    for _ in range(PROBES):
        if text.places[place].search != search:
            text.places[place].search = search
            text.places[place].line = text.count - 1
            text.places[place].hashed = hashed
            return
        place = (place + 1) & (PLACES - 1)


cdef bint _met(const Text *text, uint32_t search, const Text *other, uint32_t line, uint32_t *found) noexcept nogil:
    """Return whether a line of `other` was read ahead in `text`, and set its number there."""
    cdef uint64_t hashed = other.hashes[line], size = other.starts[line + 1] - other.starts[line]
    cdef uint32_t place = hashed & (PLACES - 1), known, _
    for _ in range(PROBES):
        if text.places[place].search != search:
            return False
        known = text.places[place].line
        if (
            text.places[place].hashed == hashed
            and text.starts[known + 1] - text.starts[known] == size
            and memcmp(text.octets + text.starts[known], other.octets + other.starts[line], size) == 0
        ):
            found[0] = known
            return True
        place = (place + 1) & (PLACES - 1)
    return False
