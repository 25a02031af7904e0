# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""The buckets of a ruleset file, in C, built from complete records.

Nothing is indexed that was not checked above: raw pointers have no other guard.
"""

from cpython.bytearray cimport PyByteArray_AS_STRING, PyByteArray_GET_SIZE
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy

from blockd.ruleset._numbers cimport (
    BUCKET_SIZE, ENTRY_SIZE, FILL, MAX_PROBES, OFFSETS_AT, PUSHED_AT, SLOTS, USED_AT,
)
from blockd.ruleset._prefetch cimport blockd_prefetch
from blockd.ruleset._siphash cimport siphash13

from blockd.errors import RulesetError

cdef enum:
    BATCH = 32  # entries under way at once: enough to hide memory's latency
    TOLD = 1 << 20  # entries between two calls of the progress callback


def table_of(bytearray records not None, uint64_t entries, bytes hash_key not None, told):
    """Return the buckets for `records`, which hold `entries` entries; report how many are placed."""
    cdef uint64_t buckets = max(1, (entries + FILL - 1) // FILL)
    if len(hash_key) != 16 or <uint64_t>PyByteArray_GET_SIZE(records) > <uint64_t>1 << 32 or buckets >> 32:
        raise ValueError("a hash key has 16 octets, and records are reached by 32 bits")
    told(0, entries)
    while True:
        table = bytearray(buckets * BUCKET_SIZE)
        if _placed(records, hash_key, table, buckets, entries, told):
            told(entries, entries)
            return table
        buckets += buckets // 4 + 1


cdef bint _placed(
    bytearray records, bytes hash_key, bytearray table, uint64_t buckets, uint64_t entries, object told
) except -1:
    """Place every record, in the order of the file; false if one would be over MAX_PROBES from its own bucket."""
    cdef uint64_t hashes[BATCH]
    cdef uint32_t offsets[BATCH]
    cdef uint64_t k0 = int.from_bytes(hash_key[:8], "little"), k1 = int.from_bytes(hash_key[8:], "little")
    cdef const uint8_t *base = <const uint8_t *>PyByteArray_AS_STRING(records)
    cdef uint8_t *lines = <uint8_t *>PyByteArray_AS_STRING(table)
    cdef uint64_t size = PyByteArray_GET_SIZE(records), offset = 0, done = 0
    cdef uint32_t count, at
    while offset < size:
        count = 0
        while count < BATCH and offset < size:
            if offset + ENTRY_SIZE > size or offset + ENTRY_SIZE + base[offset + 4] > size:
                raise RulesetError("an entry lies outside of its section")
            offsets[count] = <uint32_t>offset
            hashes[count] = siphash13(k0, k1, base + offset + ENTRY_SIZE, base[offset + 4])
            blockd_prefetch(lines + (((hashes[count] >> 32) * buckets) >> 32) * BUCKET_SIZE)
            offset += ENTRY_SIZE + base[offset + 4]
            count += 1
        for at in range(count):
            if not _place(lines, buckets, hashes[at], offsets[at]):
                return False
        done += count
        if done % TOLD < count:
            told(done, entries)
    return True


cdef inline bint _place(uint8_t *table, uint64_t buckets, uint64_t hashed, uint32_t offset) noexcept nogil:
    cdef uint64_t bucket = ((hashed >> 32) * buckets) >> 32  # less than `buckets`, which are under 2^32
    cdef uint16_t tag = <uint16_t>hashed
    cdef uint8_t *line
    for _ in range(MAX_PROBES):
        line = table + bucket * BUCKET_SIZE
        if line[USED_AT] < SLOTS:
            memcpy(line + line[USED_AT] * 2, &tag, 2)
            memcpy(line + OFFSETS_AT + line[USED_AT] * 4, &offset, 4)
            line[USED_AT] += 1
            return True
        line[PUSHED_AT] = 1
        bucket += 1
        if bucket == buckets:
            bucket = 0
    return False
