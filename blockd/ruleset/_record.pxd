# One record of a ruleset's entries (`blockd.ruleset.format`), checked against its section before it is read.

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy

from blockd.ruleset._numbers cimport ENTRY_SIZE

cdef struct Record:
    const uint8_t *key
    uint32_t length  # octets of the key, at least 1
    uint32_t place  # of its set of claims, or HOLE


cdef inline bint read_record(const uint8_t *records, uint64_t size, uint64_t *offset, Record *record) noexcept nogil:
    """Read the record at `offset` of a section of `size` octets, and move `offset` behind it.

    Return False if the record lies outside of the section.
    """
    if offset[0] + ENTRY_SIZE > size:
        return False
    record.length = records[offset[0] + 4]
    if record.length == 0 or offset[0] + ENTRY_SIZE + record.length > size:
        return False
    memcpy(&record.place, records + offset[0], 4)
    record.key = records + offset[0] + ENTRY_SIZE
    offset[0] += ENTRY_SIZE + record.length
    return True
