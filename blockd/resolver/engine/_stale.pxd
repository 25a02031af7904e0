# What a stale answer (RFC 8767) has of its own.

from libc.stdint cimport uint8_t, uint32_t

from blockd.dns cimport _types as types
from blockd.dns._cursor cimport write_u16

cdef inline void write_stale_error(uint8_t *out, uint32_t rcode) noexcept nogil:
    """Write the Extended DNS Error of a stale answer (RFC 8914 sections 4.4 and 4.20): EDE_CODE_ONLY octets."""
    write_u16(out, types.EDE_OPTION)
    write_u16(out + 2, 2)
    write_u16(out + 4, types.EDE_STALE_NXDOMAIN if rcode == types.NXDOMAIN else types.EDE_STALE_ANSWER)
