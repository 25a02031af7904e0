# What a client is answered that is not served; `blockd.resolver.edge.strangers` in C.

from libc.stdint cimport uint8_t, uint32_t
from libc.string cimport memcpy

from blockd.dns cimport _types as types
from blockd.dns._cursor cimport read_u16, write_u16, write_u32
from blockd.names._numbers cimport MAX_KEY, MAX_LABEL


cdef inline bint is_notify(const uint8_t *packet, uint32_t size) noexcept nogil:
    """Return whether a message is a NOTIFY request; `query.is_notify` in C."""
    return size >= types.HEADER_SIZE and (
        read_u16(packet + 2) & (types.QR | types.OPCODE) == types.NOTIFY << types.OPCODE_SHIFT
    )


cdef inline uint32_t write_refusal(uint8_t *out, const uint8_t *packet, uint32_t size) noexcept nogil:
    """Write the answer to a stranger's message, and return its size, which is not over the message's; 0 for none."""
    cdef uint32_t flags, additional, end = types.HEADER_SIZE
    cdef const uint8_t *record
    if size < types.HEADER_SIZE:
        return 0
    flags = read_u16(packet + 2)
    additional = read_u16(packet + 10)
    if (
        flags & (types.QR | types.OPCODE) or read_u16(packet + 4) != 1 or read_u16(packet + 6)
        or read_u16(packet + 8) or additional > 2
    ):
        return 0
    while (
        end < size and 0 < packet[end] <= MAX_LABEL and end - types.HEADER_SIZE + 1 + packet[end] <= MAX_KEY
    ):
        end += 1 + packet[end]
    if end >= size or packet[end] or end + 5 > size:
        return 0
    end += 5
    memcpy(out, packet, end)
    write_u16(out + 2, types.QR | (flags & (types.RD | types.CD)) | types.REFUSED)
    write_u16(out + 10, 0)
    record = packet + end
    if additional and end + types.OPT_SIZE <= size and record[0] == 0 and read_u16(record + 1) == types.OPT:
        write_u16(out + 10, 1)
        out[end] = 0
        write_u16(out + end + 1, types.OPT)
        write_u16(out + end + 3, types.MAX_UDP)
        write_u32(out + end + 5, (record[7] << 8) & types.EDNS_DO)
        write_u16(out + end + 9, 0)
        end += types.OPT_SIZE
    return end
