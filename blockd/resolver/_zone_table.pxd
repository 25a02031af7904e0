from libc.stdint cimport int32_t, uint8_t, uint32_t

cdef struct Place:
    const uint8_t *key
    uint32_t size
    int32_t above  # the longest other key of the table that this one is under, in the sorted order; -1 if none
    int32_t given  # its place in the sequence that was given

cdef class NativeZoneTable:
    cdef tuple _keys
    cdef Place *places  # sorted by key
    cdef uint32_t *sizes  # of the keys, in the sequence that was given
    cdef int32_t count

    cdef int32_t find_key(self, const uint8_t *key, uint32_t size) noexcept nogil
