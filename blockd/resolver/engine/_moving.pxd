# An entry's records moved behind a CNAME, as `blockd/resolver/composing/moving.py` moves them; what is not ordinary is left to it.

from libc.stdint cimport uint8_t, uint32_t
from libc.string cimport memcmp, memcpy

from blockd.dns cimport _types as types
from blockd.dns._cursor cimport Cursor, cursor_over, take, take_u16, take_u8, write_u16, write_u32
from blockd.names._numbers cimport MAX_LABEL
from blockd.resolver._numbers cimport FIXED, MAX_POINTER
from blockd.resolver.engine._cache cimport Entry, LEAD_NAME
from blockd.resolver.engine._message cimport Question

cdef enum:
    MAX_MOVED = 2048  # octets of records: of larger responses little fits into a datagram
    ALIAS_SIZE = 2 + 10 + 256  # octets of a CNAME record

cdef struct Moved:
    uint32_t answers
    uint32_t authorities
    uint32_t records  # of the entry, in their order
    uint32_t start  # where they begin, behind the CNAME
    uint32_t size
    uint8_t octets[ALIAS_SIZE + MAX_MOVED]


cdef inline bint move_entry(
    Moved *moved, const Question *q, const Entry *entry, const uint8_t *target, uint32_t target_size, uint32_t ttl
) noexcept nogil:
    """Write a CNAME to the name with the key `target`, and an entry's records for that; False if it is not ordinary.

    Of the authority section only a single SOA record is ordinary, and of types those of addresses, CNAME and TXT.
    """
    cdef Cursor c
    cdef uint32_t i, at = 0, name, start, kind
    cdef uint8_t *octets = moved.octets
    if entry.records_size > MAX_MOVED or entry.errors_size or entry.counts[1] > 1:
        return False
    while at + 2 <= entry.leads_size:  # a chain that leads back, which is no answer
        if (
            entry.leads[at] == LEAD_NAME and entry.leads[at + 1] == q.key_size
            and memcmp(entry.leads + at + 2, q.key, q.key_size) == 0
        ):
            return False
        at += 2 + entry.leads[at + 1]
    write_u16(octets, types.POINTER << 8 | types.HEADER_SIZE)
    write_u16(octets + 2, types.CNAME)
    write_u16(octets + 4, types.CLASS_IN)
    write_u32(octets + 6, ttl)
    write_u16(octets + 10, target_size + 1)
    name = 2 + FIXED
    _write_name(octets + name, target, target_size)
    moved.start = name + target_size + 1
    memcpy(octets + moved.start, entry.records, entry.records_size)
    start = types.HEADER_SIZE + target_size + 1 + 4
    c = cursor_over(octets + moved.start, entry.records_size)
    moved.answers = entry.counts[0]
    moved.authorities = 0
    moved.size = moved.start
    moved.records = 0
    for i in range(<uint32_t>entry.counts[0] + entry.counts[1]):
        if not _move_record(&c, octets + moved.start, entry.records_size, start, q.section_size, &kind):
            return False
        if i >= entry.counts[0]:
            if kind != types.SOA:
                break  # the servers of the target's zone are not told
            moved.authorities = 1
        moved.records = i + 1
        moved.size = moved.start + entry.records_size - c.left
    return True


cdef inline void _write_name(uint8_t *out, const uint8_t *key, uint32_t size) noexcept nogil:
    """Write the wire form of the name with a key, whose labels stand the other way round."""
    cdef uint32_t at = 0, length
    out[size] = 0
    while at < size:
        length = 1 + key[at]
        memcpy(out + size - at - length, key + at, length)
        at += length


cdef inline bint _move_record(
    Cursor *c, uint8_t *records, uint32_t size, uint32_t start, uint32_t question, uint32_t *kind
) noexcept nogil:
    """Step behind a record, and change the pointers in its names; False if it is not ordinary."""
    cdef Cursor data
    cdef uint32_t klass, length
    if not _move_name(c, records, size, start, question):
        return False
    kind[0] = take_u16(c)
    klass = take_u16(c)
    take(c, FIXED - 6)
    length = take_u16(c)
    if c.failed or klass != types.CLASS_IN or length > c.left:
        return False
    data = c[0]
    take(c, length)
    if kind[0] == types.CNAME or kind[0] == types.SOA or kind[0] == types.NS:
        if not _move_name(&data, records, size, start, question):
            return False
        if kind[0] == types.SOA and not _move_name(&data, records, size, start, question):
            return False
        return data.left >= c.left
    return kind[0] == types.A or kind[0] == types.AAAA or kind[0] == types.TXT


cdef inline bint _move_name(Cursor *c, uint8_t *records, uint32_t size, uint32_t start, uint32_t question) noexcept nogil:
    """Step behind a name, and change the pointer that it ends with; False if that cannot be."""
    cdef uint32_t length, at, old
    while True:
        at = size - c.left
        length = take_u8(c)
        if c.failed:
            return False
        if length == 0:
            return True
        if length >= types.POINTER:
            break
        if length > MAX_LABEL:
            return False
        take(c, length)
    old = (length & ~<uint32_t>types.POINTER) << 8 | take_u8(c)
    if c.failed:
        return False
    if types.HEADER_SIZE <= old < start - 4:
        old += types.HEADER_SIZE + question
    elif start <= old < start + at:
        old += types.HEADER_SIZE - 4 + question
    else:
        return False
    if old > MAX_POINTER:
        return False
    write_u16(records + at, types.POINTER << 8 | old)
    return True
