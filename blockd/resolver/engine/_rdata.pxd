from libc.stdint cimport uint8_t, uint16_t, uint32_t

from blockd.resolver.engine._names cimport Names

cdef enum:
    MAX_IN_DATA = 2  # names, of SOA, MINFO, RP and PX

cdef struct DataNames:
    uint32_t count
    uint32_t start[MAX_IN_DATA]
    uint32_t end[MAX_IN_DATA]
    uint16_t node[MAX_IN_DATA]
    uint8_t kind[MAX_IN_DATA]  # N, n or u of `SHAPES`

cdef bint read_data(Names *n, uint16_t qtype, uint32_t start, uint32_t end, DataNames *found) noexcept nogil
