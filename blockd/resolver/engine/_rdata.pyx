# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""The data of records of known types: their fields, and the names in them; `reading/rdata.py` in C.

The shapes are those of its table, which is taken over when this is imported.
"""

from libc.stdint cimport int64_t

from blockd.resolver.reading import rdata as twin

from blockd.dns cimport _types as types
from blockd.dns._cursor cimport Cursor, cursor_over, take, take_u16, take_u32, take_u8
from blockd.resolver.engine._names cimport read_name

cdef enum:
    MAX_SHAPES = 128
    MAX_FIELDS = 12
    MAX_DIGEST_KINDS = 8
    ANY_SIZE = 0xFFFF
    MANDATORY = 0
    ALPN = 1
    NO_DEFAULT_ALPN = 2
    PORT = 3
    ECH = 5
    OHTTP = 8
    DOCPATH = 10

cdef uint8_t row_of[65536]  # by type, 0 for unknown ones
cdef char shapes[MAX_SHAPES][MAX_FIELDS]
cdef uint16_t digest_sizes[128][MAX_DIGEST_KINDS]  # by field


def _take_over():
    cdef int row = 0, kind, field
    for field in range(128):
        for kind in range(MAX_DIGEST_KINDS):
            digest_sizes[field][kind] = ANY_SIZE
    for name, sizes in twin.DIGEST_SIZES.items():
        for kind, size in sizes.items():
            digest_sizes[<int>ord(name)][kind] = size
    if len(twin.SHAPES) >= MAX_SHAPES:
        raise ValueError("there are too many shapes")
    for qtype, shape in twin.SHAPES.items():
        if len(shape) >= MAX_FIELDS:
            raise ValueError("a shape has too many fields")
        row += 1
        row_of[<uint16_t>qtype] = <uint8_t>row
        for field, letter in enumerate(shape):
            shapes[row][field] = <char>ord(letter)


_take_over()


cdef bint read_data(Names *n, uint16_t qtype, uint32_t start, uint32_t end, DataNames *found) noexcept nogil:
    """Note the names in the data of a record; False if the data do not have their type's shape."""
    cdef Cursor c = cursor_over(n.message + start, end - start)
    cdef const char *field = shapes[row_of[qtype]]
    found.count = 0
    if row_of[qtype] == 0:
        return True
    while field[0]:
        if not _read_field(n, &c, field[0], start, end, found) or c.failed:
            return False
        field += 1
    return c.left == 0


cdef bint _read_field(
    Names *n, Cursor *c, char field, uint32_t start, uint32_t end, DataNames *found
) noexcept nogil:
    cdef const uint8_t *octets
    cdef uint32_t size
    if 48 < field <= 57:  # a digit
        return take(c, field - 48) != NULL
    if field == c"N" or field == c"n" or field == c"u":
        return _read_in_data(n, c, field, end, found)
    if field == c"s":
        take(c, take_u8(c))
    elif field == c"S":
        take(c, take_u8(c))
        while c.left and not c.failed:
            take(c, take_u8(c))
    elif field == c"o":
        if c.left:
            take(c, take_u8(c))
    elif field == c"k":
        size = take_u8(c)
        take(c, size)
        return size != 0
    elif field == c"t":
        size = take_u8(c)
        octets = take(c, size)
        return size != 0 and octets != NULL and _is_alphanumeric(octets, size)
    elif field == c"w":
        take(c, take_u16(c))
    elif field == c"*":
        take(c, c.left)
    elif field == c"+":
        size = c.left
        take(c, size)
        return size != 0
    elif field == c"U":
        while c.left:
            if not _read_in_data(n, c, c"u", end, found):
                return False
            found.count = 0
    elif field == c"b":
        return _is_bitmap(c)
    elif field == c"p":
        return _are_parameters(c)
    elif field == c"a":
        return _are_prefixes(c)
    elif field == c"D" or field == c"C" or field == c"T" or field == c"F":
        return _is_digest(c, field)
    elif field == c"z":
        return _is_zone_digest(c)
    elif field == c"g":
        return _read_gateway(n, c, n.message[start + 1], end, found)
    elif field == c"r":
        return _read_gateway(n, c, n.message[start + 1] & 0x7F, end, found)
    elif field == c"H":
        size = take_u8(c)
        take_u8(c)
        size += take_u16(c)
        take(c, size)
    elif field == c"l":
        return _is_location(c)
    else:
        return False
    return not c.failed


cdef bint _read_in_data(Names *n, Cursor *c, char kind, uint32_t end, DataNames *found) noexcept nogil:
    cdef uint32_t start = end - c.left, behind, i = found.count
    cdef uint16_t node
    if not read_name(n, start, &node, &behind) or behind > end:
        return False
    if kind == c"u" and behind - start != <uint32_t>n.nodes[node].key_size + 1:
        return False
    take(c, behind - start)
    if i >= MAX_IN_DATA:
        return False
    found.start[i], found.end[i], found.node[i], found.kind[i] = start, behind, node, <uint8_t>kind
    found.count += 1
    return True


cdef bint _is_alphanumeric(const uint8_t *octets, uint32_t size) noexcept nogil:
    cdef uint32_t i
    for i in range(size):
        if not (48 <= octets[i] <= 57 or 65 <= octets[i] <= 90 or 97 <= octets[i] <= 122):
            return False
    return True


cdef bint _is_bitmap(Cursor *c) noexcept nogil:
    cdef int last = -1, window
    cdef uint32_t size
    cdef const uint8_t *octets
    while c.left:
        window = take_u8(c)
        size = take_u8(c)
        octets = take(c, size)
        if c.failed or window <= last or not 0 < size <= 32 or octets[size - 1] == 0:
            return False
        last = window
    return True


cdef bint _is_digest(Cursor *c, char field) noexcept nogil:
    cdef uint8_t kind = (c.at - 1)[0]
    cdef uint32_t size = c.left
    cdef uint16_t wanted = digest_sizes[<int>field][kind] if kind < MAX_DIGEST_KINDS else <uint16_t>ANY_SIZE
    take(c, size)
    return wanted == ANY_SIZE or (wanted != 0 and size == wanted)


cdef bint _is_zone_digest(Cursor *c) noexcept nogil:
    cdef uint8_t scheme = take_u8(c), kind = take_u8(c)
    cdef uint32_t size = c.left
    take(c, size)
    if c.failed or scheme == 0 or kind == 0 or size < 12:
        return False
    return (kind != 1 or size == 48) and (kind != 2 or size == 64)


cdef bint _read_gateway(Names *n, Cursor *c, uint8_t kind, uint32_t end, DataNames *found) noexcept nogil:
    if kind == 3:
        return _read_in_data(n, c, c"u", end, found)
    if kind == 1:
        return take(c, 4) != NULL
    if kind == 2:
        return take(c, 16) != NULL
    return kind == 0


cdef bint _are_prefixes(Cursor *c) noexcept nogil:
    cdef uint32_t family, prefix, size, most
    cdef const uint8_t *octets
    while c.left:
        family = take_u16(c)
        prefix = take_u8(c)
        size = take_u8(c) & 0x7F
        octets = take(c, size)
        if c.failed or (size and octets[size - 1] == 0):
            return False
        if family == 1 or family == 2:
            most = 4 if family == 1 else 16
            if prefix > most * 8 or size > most:
                return False
    return True


cdef bint _is_location(Cursor *c) noexcept nogil:
    cdef const uint8_t *octets = take(c, 4)
    cdef int64_t latitude = take_u32(c), longitude = take_u32(c)
    cdef uint32_t i
    take(c, 4)
    if c.failed or octets[0] != 0:
        return False
    for i in range(1, 4):
        if octets[i] and not (0x10 <= octets[i] < 0xA0 and octets[i] & 15 <= 9):
            return False
    latitude -= <int64_t>1 << 31
    longitude -= <int64_t>1 << 31
    return -90 * 3600000 <= latitude <= 90 * 3600000 and -180 * 3600000 <= longitude <= 180 * 3600000


cdef bint _are_parameters(Cursor *c) noexcept nogil:
    """Return whether the parameters of an SVCB record are of the form that their keys demand."""
    cdef int last = -1, key, before
    cdef uint32_t size
    cdef const uint8_t *value
    cdef Cursor mandatory = cursor_over(NULL, 0), list_
    cdef int awaited = -1  # the first mandatory key that was not met
    cdef bint has_alpn = False
    while c.left:
        key = take_u16(c)
        size = take_u16(c)
        value = take(c, size)
        if c.failed or key <= last:
            return False
        last = key
        if key == awaited:
            awaited = take_u16(&mandatory) if mandatory.left else -1
        if key == MANDATORY:
            if size == 0 or size % 2:
                return False
            mandatory = cursor_over(value, size)
            before = 0
            while mandatory.left:
                awaited = take_u16(&mandatory)
                if awaited <= before:
                    return False
                before = awaited
            mandatory = cursor_over(value, size)
            awaited = take_u16(&mandatory)
        elif key == ALPN or key == DOCPATH:
            if key == ALPN:
                has_alpn = True
                if size == 0:
                    return False
            list_ = cursor_over(value, size)
            while list_.left:
                size = take_u8(&list_)
                take(&list_, size)
                if size == 0 or list_.failed:
                    return False
        elif key == NO_DEFAULT_ALPN:
            if size or not has_alpn:
                return False
        elif key == OHTTP:
            if size:
                return False
        elif key == PORT:
            if size != 2:
                return False
        elif key == types.SVCB_IPV4HINT or key == types.SVCB_IPV6HINT:
            if size == 0 or size % (4 if key == types.SVCB_IPV4HINT else 16):
                return False
        elif key == ECH:
            if size < 6 or (<uint32_t>value[0] << 8 | value[1]) != size - 2:
                return False
    return awaited < 0
