# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Records of a message as lines of zone text, at the speed of memory; `blockd.feeds.transfer.records` says which lines.

A message is hostile: nothing is read before it is known to lie within, and the buffer of the text has room for the
longest line that a record can give before that is written.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.mem cimport PyMem_RawFree, PyMem_RawRealloc
from libc.stdint cimport uint8_t, uint16_t, uint32_t
from libc.string cimport memcmp, memcpy, strlen

from blockd.feeds.transfer.records import broken_message, broken_soa, foreign_class, foreign_owner, unusual_data

from blockd.feeds._numbers cimport A, AAAA, CLASS_IN, CNAME, MAX_LABEL, MAX_NAME, MAX_TTL, NS, POINTER, SOA, TXT

cdef extern from "<arpa/inet.h>" nogil:
    const char *inet_ntop(int family, const void *address, char *text, uint32_t size)

cdef extern from "<sys/socket.h>" nogil:
    enum: AF_INET6

cdef enum:
    MAX_LABELS = 128
    MAX_MESSAGE = 65535
    FIXED = 10  # octets of a record between its owner and its data
    NUMBERS = 20  # octets of an SOA's numbers
    NAME_TEXT = 4 * MAX_NAME + 1  # octets of a name at most: each octet as \DDD
    LINE = 3 * NAME_TEXT + 128  # octets of a line at most, but for what grows with its data
    GROWTH = 7  # octets of text for one of data at most: a string of one octet as " \DDD" with its quotes
    FIRST_ROOM = 1 << 18  # octets: what a full message of ordinary records gives

cdef struct Name:
    uint8_t wire[MAX_NAME]  # in lower case, the root label included
    uint32_t starts[MAX_LABELS]  # of the labels
    uint32_t size
    uint32_t labels

cdef struct Text:
    uint8_t *octets
    size_t size
    size_t room


cdef inline uint16_t _u16(const uint8_t *octets) noexcept nogil:
    return <uint16_t>octets[0] << 8 | octets[1]


cdef inline uint32_t _u32(const uint8_t *octets) noexcept nogil:
    return <uint32_t>octets[0] << 24 | <uint32_t>octets[1] << 16 | <uint32_t>octets[2] << 8 | octets[3]


cdef inline uint8_t folded(uint8_t octet) noexcept nogil:
    """ASCII letters in lower case (RFC 4343)."""
    return octet + 32 if 65 <= octet <= 90 else octet


cdef uint8_t _PLAIN[256]  # what stands for an octet of a name, 0 where it is written as a number
cdef int _octet
for _octet in range(256):
    _PLAIN[_octet] = folded(_octet) if bytes([folded(_octet)]) in b"abcdefghijklmnopqrstuvwxyz0123456789-_*" else 0


def record_lines(bytes message, uint32_t position, uint32_t count, bytes zone):
    """As `blockd.feeds.transfer.records.record_lines`."""
    cdef const uint8_t *octets = <const uint8_t *>PyBytes_AS_STRING(message)
    cdef size_t message_size = PyBytes_GET_SIZE(message)
    cdef const uint8_t *zone_wire = <const uint8_t *>PyBytes_AS_STRING(zone)
    cdef uint32_t zone_size = <uint32_t>PyBytes_GET_SIZE(zone), size = <uint32_t>message_size
    cdef uint32_t _, ttl, data_size, end
    cdef uint16_t kind, klass
    cdef size_t line
    cdef Name owner
    cdef Text text
    cdef bint known
    if message_size > MAX_MESSAGE or position > message_size:
        raise broken_message()
    soas = []
    text.octets, text.size, text.room = NULL, 0, 0
    try:
        for _ in range(count):
            end = read_name(octets, size, position, &owner)
            if end == 0 or end + FIXED > size:
                raise broken_message()
            kind, klass = _u16(octets + end), _u16(octets + end + 2)
            ttl, data_size = _u32(octets + end + 4), _u16(octets + end + 8)
            position = end + FIXED + data_size
            if position > size:
                raise broken_message()
            if klass != CLASS_IN:
                raise foreign_class(klass)
            if not is_within(&owner, zone_wire, zone_size):
                raise foreign_owner(_name_as_bytes(&owner))
            _make_room(&text, LINE + GROWTH * <size_t>data_size)
            line = text.size
            _put_name(&text, &owner)
            _put_octets(&text, b" ", 1)
            _put_number(&text, ttl if ttl <= MAX_TTL else 0)
            _put_octets(&text, b" IN ", 4)
            known = _put_data(&text, octets, size, position - data_size, data_size, kind)
            if not known:
                if kind == SOA:
                    raise broken_soa()
                _put_bytes(&text, unusual_data(message, position - data_size, data_size, kind))
            _put_octets(&text, b"\n", 1)
            if kind == SOA:
                if owner.size != zone_size:
                    raise foreign_owner(_name_as_bytes(&owner))
                soas.append((line, text.size, _u32(octets + position - NUMBERS)))
        return PyBytes_FromStringAndSize(<char *>text.octets, text.size) if text.size else b"", soas, position
    finally:
        PyMem_RawFree(text.octets)


cdef uint32_t read_name(const uint8_t *message, uint32_t size, uint32_t position, Name *name) noexcept nogil:
    """Read a name, compressed or not; give where it ends, 0 where it is none.

    A pointer leads to before the part of the name that it ends, so that every name comes to an end.
    """
    cdef uint32_t limit = position, target, i
    cdef uint32_t end = 0
    cdef uint8_t length
    name.size = name.labels = 0
    while position < size:
        length = message[position]
        if length == 0:
            name.wire[name.size] = 0
            name.size += 1
            return position + 1 if end == 0 else end
        if length >= POINTER:
            if position + 2 > size:
                return 0
            target = (<uint32_t>length & ~POINTER) << 8 | message[position + 1]
            if end == 0:
                end = position + 2
            if target >= limit:
                return 0
            limit = position = target
            continue
        if length > MAX_LABEL or name.size + 2 + length > MAX_NAME:
            return 0
        if position + 1 + length > size:
            return 0
        name.starts[name.labels] = name.size
        name.labels += 1
        name.wire[name.size] = length
        for i in range(1, <uint32_t>length + 1):
            name.wire[name.size + i] = folded(message[position + i])
        name.size += 1 + length
        position += 1 + length
    return 0


cdef bint is_within(const Name *name, const uint8_t *zone, uint32_t zone_size) noexcept nogil:
    """Whether a name is the zone's or stands below it."""
    cdef uint32_t start, i
    if zone_size > name.size:
        return False
    start = name.size - zone_size
    if memcmp(name.wire + start, zone, zone_size) != 0:
        return False
    if zone_size == 1 or start == 0:
        return True
    for i in range(name.labels):
        if name.starts[name.labels - 1 - i] <= start:
            return name.starts[name.labels - 1 - i] == start
    return False


cdef int _make_room(Text *text, size_t octets) except -1:
    """Have room for so many octets more."""
    cdef size_t room
    cdef void *moved
    if text.size + octets > text.room:
        room = max(text.size + octets, 2 * text.room, <size_t>FIRST_ROOM)
        moved = PyMem_RawRealloc(text.octets, room)
        if moved == NULL:
            raise MemoryError
        text.octets, text.room = <uint8_t *>moved, room
    return 0


cdef inline void _put_octets(Text *text, const char *octets, size_t size) noexcept nogil:
    memcpy(text.octets + text.size, octets, size)
    text.size += size


cdef int _put_bytes(Text *text, bytes octets) except -1:
    _make_room(text, LINE + <size_t>PyBytes_GET_SIZE(octets))
    _put_octets(text, PyBytes_AS_STRING(octets), PyBytes_GET_SIZE(octets))
    return 0


cdef inline void _put_number(Text *text, uint32_t number) noexcept nogil:
    cdef uint8_t digits[10]
    cdef uint32_t count = 0
    while True:
        digits[count] = 48 + number % 10
        number //= 10
        count += 1
        if number == 0:
            break
    while count:
        count -= 1
        text.octets[text.size] = digits[count]
        text.size += 1


cdef inline void _put_escaped(Text *text, uint8_t octet) noexcept nogil:
    text.octets[text.size] = 92
    text.octets[text.size + 1] = 48 + octet // 100
    text.octets[text.size + 2] = 48 + octet // 10 % 10
    text.octets[text.size + 3] = 48 + octet % 10
    text.size += 4


cdef void _put_name(Text *text, const Name *name) noexcept nogil:
    cdef uint32_t at = 0, i
    cdef uint8_t length, plain
    if name.size == 1:
        _put_octets(text, b".", 1)
        return
    while name.wire[at]:
        length = name.wire[at]
        for i in range(at + 1, at + 1 + length):
            plain = _PLAIN[name.wire[i]]
            if plain:
                text.octets[text.size] = plain
                text.size += 1
            else:
                _put_escaped(text, name.wire[i])
        text.octets[text.size] = 46
        text.size += 1
        at += 1 + length


cdef bytes _name_as_bytes(const Name *name):
    cdef uint8_t octets[NAME_TEXT]
    cdef Text text
    text.octets, text.size, text.room = octets, 0, NAME_TEXT
    _put_name(&text, name)
    return <bytes>PyBytes_FromStringAndSize(<char *>octets, text.size)


cdef bint _put_data(
    Text *text, const uint8_t *message, uint32_t message_size, uint32_t position, uint32_t size, uint16_t kind
) noexcept nogil:
    """Write type and data where there is a writer for them; give whether there was."""
    cdef Name first, second
    cdef char address[64]
    cdef uint32_t end = position + size, behind, i
    cdef const uint8_t *data = message + position
    if kind == CNAME or kind == NS:
        if read_name(message, message_size, position, &first) != end:
            return False
        if kind == CNAME:
            _put_octets(text, b"CNAME ", 6)
        else:
            _put_octets(text, b"NS ", 3)
        _put_name(text, &first)
        return True
    if kind == A and size == 4:
        _put_octets(text, b"A ", 2)
        for i in range(4):
            _put_number(text, data[i])
            if i < 3:
                _put_octets(text, b".", 1)
        return True
    if kind == AAAA and size == 16:
        if inet_ntop(AF_INET6, data, address, sizeof(address)) == NULL:
            return False
        _put_octets(text, b"AAAA ", 5)
        _put_octets(text, address, strlen(address))
        return True
    if kind == SOA:
        behind = read_name(message, message_size, position, &first)
        if behind == 0:
            return False
        behind = read_name(message, message_size, behind, &second)
        if behind == 0 or behind + NUMBERS != end:
            return False
        _put_octets(text, b"SOA ", 4)
        _put_name(text, &first)
        _put_octets(text, b" ", 1)
        _put_name(text, &second)
        for i in range(5):
            _put_octets(text, b" ", 1)
            _put_number(text, _u32(message + behind + 4 * i))
        return True
    if kind == TXT and size:
        return _put_strings(text, data, size)
    return False


cdef bint _put_strings(Text *text, const uint8_t *data, uint32_t size) noexcept nogil:
    """Write strings with a length octet each, or nothing where they do not end with the data."""
    cdef uint32_t at = 0, i
    while at < size:
        at += 1 + <uint32_t>data[at]
    if at != size:
        return False
    _put_octets(text, b"TXT", 3)
    at = 0
    while at < size:
        _put_octets(text, b" \"", 2)
        for i in range(at + 1, at + 1 + data[at]):
            if 32 <= data[i] < 127 and data[i] != 34 and data[i] != 92:
                text.octets[text.size] = data[i]
                text.size += 1
            else:
                _put_escaped(text, data[i])
        _put_octets(text, b"\"", 1)
        at += 1 + <uint32_t>data[at]
    return True
