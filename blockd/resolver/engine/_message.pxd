# Questions and answers as the engine handles them: plain structs without Python objects.

from libc.stdint cimport uint8_t, uint16_t, uint32_t
from libc.string cimport memcmp, memcpy, memset

from blockd.names._numbers cimport MAX_KEY, MAX_LABEL, MAX_LABELS
from blockd.dns cimport _types as types
from blockd.metrics._numbers cimport TRANSPORT_DOH, TRANSPORT_DOT, TRANSPORT_UDP
from blockd.dns._cursor cimport (
    Cursor, cursor_over, folded, read_u16, skip_name, take, take_u16, take_u32, take_u8, write_u16, write_u32,
)
from blockd.resolver._numbers cimport (
    ANSWER_BLOCK, CLIENT_COOKIE, FIXED, MAX_AUTHORITIES, MAX_OPTIONS, MAX_SERVER_COOKIE, MAX_SERVER_ID,
    MIN_SERVER_COOKIE, OPTION, OPTION_HEAD,
)

cdef enum:
    MAX_REPLY = OPTION + 6 + OPTION_HEAD + MAX_SERVER_ID  # octets: a cookie, how long a connection may be idle, who answers

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
    const uint8_t *options  # the data of the OPT record in the packet
    uint32_t options_size
    const uint8_t *cookie  # the content of its first COOKIE option
    uint32_t cookie_size
    bint keeps_alive
    bint asks_nsid
    bint pads  # its client pads; this and the next only over an encrypted transport
    bint explains  # its client reads structured errors
    bint is_known
    uint32_t reply_size
    uint8_t reply[MAX_REPLY]  # the options that the answer has beside errors

cdef inline bint read_question(
    const uint8_t *packet, uint32_t size, int transport, uint32_t client_option, Question *q
) noexcept nogil:
    """Parse a question; False if it is not an ordinary one: the pipeline then reports what is wrong.

    `client_option` is the code of the EDNS option that asks for structured errors, 0 if there is none.
    """
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
    q.options_size = q.cookie_size = q.reply_size = 0
    q.keeps_alive = q.is_known = q.asks_nsid = q.pads = q.explains = False
    if additional:
        if take_u8(&c) != 0:
            return False
        kind = take_u16(&c)
        payload = take_u16(&c)
        ttl = take_u32(&c)
        q.options_size = take_u16(&c)
        q.options = take(&c, q.options_size)
        if c.failed or kind != types.OPT or (ttl >> 16) & 0xFF:
            return False
        if q.options_size and not read_options(q, client_option):
            return False
        if transport != TRANSPORT_DOT and transport != TRANSPORT_DOH:
            q.pads = q.explains = False
        q.edns = True
        q.do_ = (ttl & types.EDNS_DO) != 0
    if transport == TRANSPORT_UDP:
        q.limit = payload if payload > types.MIN_UDP else types.MIN_UDP
        if q.limit > types.MAX_UDP:
            q.limit = types.MAX_UDP
    else:
        q.limit = types.MAX_TCP
    return True


cdef inline bint is_cookie_size(uint32_t size) noexcept nogil:
    """Return whether a COOKIE option may have content of a size; `COOKIE_SIZES` in C."""
    return size == CLIENT_COOKIE or CLIENT_COOKIE + MIN_SERVER_COOKIE <= size <= CLIENT_COOKIE + MAX_SERVER_COOKIE


cdef inline bint read_options(Question *q, uint32_t client_option) noexcept nogil:
    """Note the EDNS options that are for this hop; False if one is malformed (`Query._read_options` in C)."""
    cdef const uint8_t *options = q.options
    cdef uint32_t place = 0, code, length, left = MAX_OPTIONS, size = q.options_size
    cdef bint has_cookie = False
    while place < size:
        if place + 4 > size or left == 0:
            return False
        length = options[place + 2] << 8 | options[place + 3]
        if place + 4 + length > size:
            return False
        code = options[place] << 8 | options[place + 1]
        if code == types.COOKIE_OPTION and not has_cookie:
            has_cookie = True
            if not is_cookie_size(length):
                return False
            q.cookie = options + place + 4
            q.cookie_size = length
        elif code == types.KEEPALIVE_OPTION and length == 0:
            q.keeps_alive = True
        elif code == types.NSID_OPTION:
            q.asks_nsid = True
        elif code == types.PADDING_OPTION:
            q.pads = True
        if (code == client_option and client_option and length == 0) or (
            code == types.EDE_OPTION and length == 2 and read_u16(options + place + 4) == types.EDE_OTHER
        ):
            q.explains = True
        place += 4 + length
        left -= 1
    return True


cdef inline bint has_cookie_of(const Question *q, const uint8_t *cookies, uint32_t count) noexcept nogil:
    """Return whether the first EDNS option of a question has one of some client cookies, of 8 octets each."""
    cdef uint32_t i, code
    if q.options_size < 12:
        return False
    code = q.options[0] << 8 | q.options[1]
    if code != types.COOKIE_OPTION and code != types.OWN_OPTION:
        return False
    for i in range(count):
        if memcmp(q.options + 4, cookies + 8 * i, 8) == 0:
            return True
    return False


cdef inline bint is_asked(uint32_t qtype) noexcept nogil:
    """Return whether names may be asked for a type; `query.type_rcode` in C."""
    return qtype != 0 and qtype != types.OPT and (qtype < types.FIRST_META or qtype >= types.ANY)


cdef inline void _fold_into(uint8_t *to, const uint8_t *label, uint32_t size) noexcept nogil:
    cdef uint32_t i
    for i in range(size):
        to[i] = folded(label[i])


cdef inline bint _keep(
    const uint8_t *records, uint32_t *size, uint32_t answers, uint32_t *authorities, uint32_t room, bint do_
) noexcept nogil:
    """Reduce records to what an answer keeps in `room` octets, `sections.kept` in C; False, and no change, if none."""
    cdef Cursor c = cursor_over(records, size[0])
    cdef uint32_t i, _i, position, needed = 0, needed_end
    cdef bint is_needed
    for _i in range(answers):
        _is_needed(&c, False)
        if c.failed or size[0] - c.left > room:
            return False
    needed_end = size[0] - c.left
    if authorities[0] > MAX_AUTHORITIES:
        return False
    for i in range(authorities[0]):
        is_needed = _is_needed(&c, do_)
        if c.failed:
            return False
        if is_needed:
            needed = i + 1
            needed_end = size[0] - c.left
    position = size[0] - c.left
    if position <= room:
        needed = authorities[0]
        needed_end = position
    if needed_end > room:
        return False
    authorities[0] = needed
    size[0] = needed_end
    return True


cdef inline bint _is_needed(Cursor *c, bint do_) noexcept nogil:
    """Step behind a record; return whether an answer needs it in the authority section, `sections.is_needed` in C."""
    cdef uint32_t kind, covered = 0, length
    cdef const uint8_t *data
    skip_name(c)
    kind = take_u16(c)
    take(c, FIXED - 4)
    length = take_u16(c)
    data = take(c, length)
    if c.failed:
        return False
    if kind == types.SOA:
        return True
    if not do_:
        return False
    if kind == types.RRSIG and length >= 2:
        covered = read_u16(data)
    return (
        kind == types.NSEC or kind == types.NSEC3 or covered == types.SOA or covered == types.NSEC
        or covered == types.NSEC3
    )


cdef inline uint32_t brief_size(const uint8_t *errors, uint32_t errors_size) noexcept nogil:
    """Return how many octets the first error has with what its structured text needs; `records.brief_error` in C.

    The last of them is to be a closing brace. 0 if it has none that can be shortened.
    """
    cdef uint32_t at, end = 4 + read_u16(errors + 2)
    if end > errors_size or end <= types.EDE_CODE_ONLY or errors[types.EDE_CODE_ONLY] != c"{":
        return 0
    for at in range(types.EDE_CODE_ONLY + 1, end - 4):
        if memcmp(errors + at, b',"l":', 5) == 0:  # LESS_NEEDED of `blockd.orders.structured`
            return at + 1
    return 0


cdef inline uint32_t write_padding(uint8_t *out, uint32_t size, uint32_t limit) noexcept nogil:
    """Write the PADDING option behind an answer of some octets, and return its size; `padding.padding` in C."""
    cdef uint32_t least = size + OPTION_HEAD, padded
    if least > limit:
        return 0
    padded = (least + ANSWER_BLOCK - 1) // ANSWER_BLOCK * ANSWER_BLOCK
    if padded > limit:
        padded = limit
    write_u16(out + size, types.PADDING_OPTION)
    write_u16(out + size + 2, padded - least)
    memset(out + least, 0, padded - least)
    return padded - size


cdef inline uint32_t records_of(const uint8_t *answer, const Question *q) noexcept nogil:
    """Return how many records an answer that was just written has, without its OPT record."""
    return read_u16(answer + 6) + read_u16(answer + 8) + read_u16(answer + 10) - (1 if q.edns else 0)


cdef inline uint32_t write_answer(
    uint8_t *out, const Question *q, uint32_t rcode, uint32_t answers, uint32_t authorities, uint32_t additional,
    const uint8_t *records, uint32_t records_size, const uint8_t *errors, uint32_t errors_size,
    bint authentic, bint truncated,
) noexcept nogil:
    """Write an answer to `out`, which has room for q.limit octets, and return its size; `answers.answer` in C."""
    cdef uint8_t code[types.EDE_CODE_ONLY]
    cdef uint32_t flags
    cdef uint32_t size = types.HEADER_SIZE + q.section_size
    cdef uint8_t *at
    cdef uint32_t room = q.limit - size - (types.OPT_SIZE + q.reply_size if q.edns else 0)
    cdef bint fits
    cdef uint32_t brief = 0
    if not q.edns:
        errors_size = 0
    if not truncated and records_size + errors_size > room:
        if errors_size > types.EDE_CODE_ONLY:
            brief = brief_size(errors, errors_size)
            if brief and records_size + brief > room:
                brief = 0
        if brief:
            errors_size = brief
        elif errors_size > types.EDE_CODE_ONLY:
            memcpy(code, errors, types.EDE_CODE_ONLY)  # the code says the most in the fewest octets
            write_u16(code + 2, 2)
            errors = code
            errors_size = types.EDE_CODE_ONLY
        if records_size + errors_size > room:
            additional = 0
            fits = _keep(records, &records_size, answers, &authorities, room - errors_size, q.do_)
            if not fits and errors_size and _keep(records, &records_size, answers, &authorities, room, q.do_):
                errors_size = 0
                fits = True
            truncated = not fits
    if truncated:
        answers = authorities = additional = records_size = 0
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
        write_u32(at + 5, (rcode >> 4) << 24 | (types.EDNS_DO if q.do_ else 0))
        write_u16(at + 9, errors_size + q.reply_size)
        memcpy(at + types.OPT_SIZE, errors, errors_size)
        if brief:
            write_u16(at + types.OPT_SIZE + 2, brief - 4)
            at[types.OPT_SIZE + brief - 1] = c"}"
        size = <uint32_t>(at - out)  # where the OPT record begins
        at += types.OPT_SIZE + errors_size
        if q.reply_size:
            memcpy(at, q.reply, q.reply_size)
            at += q.reply_size
        if q.pads:
            at += write_padding(out, <uint32_t>(at - out), q.limit)
            write_u16(out + size + types.OPT_SIZE - 2, <uint32_t>(at - out) - size - types.OPT_SIZE)
    return <uint32_t>(at - out)
