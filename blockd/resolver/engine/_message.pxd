# Questions and answers as the engine handles them: plain structs without Python objects.

from libc.stdint cimport uint8_t, uint16_t, uint32_t
from libc.string cimport memcpy

from blockd.names._numbers cimport MAX_KEY, MAX_LABEL, MAX_LABELS
from blockd.dns cimport _types as types
from blockd.dns._cursor cimport (
    Cursor, cursor_over, folded, read_u16, skip_name, take, take_u16, take_u32, take_u8, write_u16, write_u32,
)

cdef struct Question:
    const uint8_t *section  # the question section in the packet, case kept
    uint32_t section_size
    uint16_t id
    uint16_t flags
    uint16_t qtype
    uint16_t qclass
    bint edns
    bint do_
    uint32_t limit
    int labels
    uint32_t key_size
    uint16_t ends[128]
    uint8_t key[264]  # readable 8 octets beyond its end

cdef inline bint read_question(const uint8_t *packet, uint32_t size, bint over_udp, Question *q) noexcept nogil:
    """Parse a question; False if it is not an ordinary one: the pipeline then reports what is wrong."""
    cdef Cursor c = cursor_over(packet, size)
    cdef uint16_t additional, payload = types.MIN_UDP, kind
    cdef uint32_t ttl, total, at, length, i
    cdef uint16_t starts[128]
    cdef const uint8_t *name
    cdef const uint8_t *p
    if size < types.HEADER_SIZE + 5:
        return False
    q.id = take_u16(&c)
    q.flags = take_u16(&c)
    if q.flags & (types.QR | types.OPCODE):
        return False
    if take_u16(&c) != 1 or take_u32(&c) != 0:
        return False
    additional = take_u16(&c)
    if additional > 1:
        return False
    name = c.at
    q.section = name
    q.labels = 0
    total = 0
    while True:
        length = take_u8(&c)
        if c.failed or length > MAX_LABEL:
            return False
        if length == 0:
            break
        if total + 1 + length > MAX_KEY or q.labels >= MAX_LABELS:
            return False
        starts[q.labels] = <uint16_t>total
        q.labels += 1
        total += 1 + length
        if take(&c, length) == NULL:
            return False
    q.key_size = total
    # The key has the labels from the root down; where one starts in the name tells where it ends in the key.
    for i in range(<uint32_t>q.labels):
        at = starts[i]
        length = name[at]
        q.ends[q.labels - 1 - i] = <uint16_t>(total - at)
        p = name + at
        _fold_into(q.key + total - at - 1 - length, p, length + 1)
    q.qtype = take_u16(&c)
    q.qclass = take_u16(&c)
    if c.failed:
        return False
    q.section_size = total + 5
    q.edns = False
    q.do_ = False
    if additional:
        if take_u8(&c) != 0:
            return False
        kind = take_u16(&c)
        payload = take_u16(&c)
        ttl = take_u32(&c)
        take(&c, take_u16(&c))
        if c.failed or kind != types.OPT or (ttl >> 16) & 0xFF:
            return False
        q.edns = True
        q.do_ = (ttl & types.EDNS_DO) != 0
    if c.left:
        return False
    if over_udp:
        q.limit = payload if payload > types.MIN_UDP else types.MIN_UDP
        if q.limit > types.MAX_UDP:
            q.limit = types.MAX_UDP
    else:
        q.limit = types.MAX_TCP
    return True


cdef inline void _fold_into(uint8_t *to, const uint8_t *label, uint32_t size) noexcept nogil:
    cdef uint32_t i
    for i in range(size):
        to[i] = folded(label[i])


cdef inline uint32_t write_answer(
    uint8_t *out, const Question *q, uint32_t rcode, uint32_t answers, uint32_t authorities, uint32_t additional,
    const uint8_t *records, uint32_t records_size, const uint8_t *errors, uint32_t errors_size,
    bint authentic, bint truncated,
) noexcept nogil:
    """Write an answer to `out`, which has room for q.limit octets, and give its size; `answers.answer` in C."""
    cdef uint8_t code[types.EDE_CODE_ONLY]
    cdef uint32_t flags
    cdef uint32_t size = types.HEADER_SIZE + q.section_size
    cdef uint8_t *at
    if not q.edns:
        errors_size = 0
    if not truncated and errors_size > types.EDE_CODE_ONLY and size + records_size + types.OPT_SIZE + errors_size > q.limit:
        memcpy(code, errors, types.EDE_CODE_ONLY)  # the code says the most in the fewest octets
        write_u16(code + 2, 2)
        errors = code
        errors_size = types.EDE_CODE_ONLY
    if truncated or size + records_size + ((types.OPT_SIZE + errors_size) if q.edns else 0) > q.limit:
        answers = authorities = additional = records_size = 0
        truncated = True
    flags = types.QR | types.RA | (q.flags & (types.RD | types.CD)) | (rcode & types.RCODE)
    if authentic and (q.do_ or q.flags & types.AD):
        flags |= types.AD
    if truncated:
        flags |= types.TC
    write_u16(out, q.id)
    write_u16(out + 2, flags)
    write_u16(out + 4, 1)
    write_u16(out + 6, answers)
    write_u16(out + 8, authorities)
    write_u16(out + 10, additional + (1 if q.edns else 0))
    memcpy(out + types.HEADER_SIZE, q.section, q.section_size)
    at = out + size
    memcpy(at, records, records_size)
    at += records_size
    if q.edns:
        at[0] = 0
        write_u16(at + 1, types.OPT)
        write_u16(at + 3, types.MAX_UDP)
        write_u32(at + 5, types.EDNS_DO if q.do_ else 0)
        write_u16(at + 9, errors_size)
        memcpy(at + types.OPT_SIZE, errors, errors_size)
        at += types.OPT_SIZE + errors_size
    return <uint32_t>(at - out)
