# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""The parser of upstreams' ordinary responses into cache entries, in C; `response.py` parses all others.

Anything unusual gives NULL; the pipeline then asks again and reports what is wrong.
"""

from libc.stdint cimport uint8_t, uint16_t, uint32_t
from libc.stdlib cimport free
from libc.string cimport memcmp, memcpy

from blockd.names._numbers cimport MAX_KEY, MAX_LABEL, MAX_LABELS
from blockd.dns cimport _types as types
from blockd.resolver.engine._cache cimport Entry, LEAD_ADDRESS, LEAD_EXTRA, LEAD_NAME, new_entry
from blockd.dns._cursor cimport (
    Cursor, cursor_over, folded, skip_name, take, take_u16, take_u32,
)
from blockd.resolver._numbers cimport MAX_NAMES, MAX_POINTERS

cdef enum:
    MAX_RECORDS = 256  # with more, the response is not ordinary
    MAX_LEADS = 16384  # octets
    MAX_ERRORS = 1024  # octets
    NO_SOA = 0xFFFFFFFF


cdef struct Notes:
    uint32_t records
    uint32_t names
    uint32_t leads_size
    uint32_t errors_size
    uint32_t negative
    bint service
    uint32_t ttls[MAX_RECORDS * 2]
    uint8_t leads[MAX_LEADS]
    uint8_t errors[MAX_ERRORS]


cdef Notes notes  # one thread, one message at a time


cdef Entry *read_response(
    const uint8_t *message, uint32_t size, uint32_t question_size, const uint8_t *key, uint32_t key_size,
    uint32_t *lifetime,
) noexcept nogil:
    """Return a new entry under `key`, without hash and times, for a message whose header and question match."""
    cdef Cursor c = cursor_over(message, size)
    cdef uint32_t start = types.HEADER_SIZE + question_size
    cdef uint32_t end = start
    cdef uint32_t section, i, _i, flags, rcode, lowest = 0, ttl
    cdef uint16_t sections[3]
    cdef uint16_t counts[3]
    cdef bint opt_behind = False
    cdef Entry *entry
    if size > types.MAX_TCP:
        return NULL
    take(&c, 2)
    flags = take_u16(&c)
    take(&c, 2)
    for section in range(3):
        sections[section] = take_u16(&c)
        counts[section] = 0
    take(&c, question_size)
    rcode = flags & types.RCODE
    if c.failed or flags & types.TC or (rcode != types.NOERROR and rcode != types.NXDOMAIN):
        return NULL
    notes.records = notes.names = notes.leads_size = notes.errors_size = 0
    notes.negative = NO_SOA
    notes.service = False
    for section in range(3):
        for _i in range(sections[section]):
            if not _read_record(&c, message, size, section, start, &opt_behind):
                return NULL
            if not opt_behind:
                counts[section] += 1
                end = size - c.left
    if c.left:
        return NULL
    entry = new_entry(key_size, end - start, notes.records, notes.errors_size, notes.leads_size)
    if entry == NULL:
        return NULL
    memcpy(entry.key, key, key_size)
    memcpy(entry.records, message + start, entry.records_size)
    memcpy(entry.ttls, notes.ttls, notes.records * 8)
    memcpy(entry.errors, notes.errors, entry.errors_size)
    memcpy(entry.leads, notes.leads, entry.leads_size)
    for i in range(3):
        entry.counts[i] = counts[i]
    entry.rcode = rcode
    entry.authentic = (flags & types.AD) != 0
    for i in range(notes.records):
        ttl = notes.ttls[i * 2 + 1]
        if i == 0 or ttl < lowest:
            lowest = ttl
    if notes.negative != NO_SOA:
        lifetime[0] = lowest if lowest < notes.negative else notes.negative
    else:
        lifetime[0] = lowest if counts[0] and rcode == types.NOERROR else 0
    return entry


cdef bint _read_record(
    Cursor *c, const uint8_t *message, uint32_t size, uint32_t section, uint32_t start, bint *opt_behind
) noexcept nogil:
    """Read one record; False if the message is not ordinary."""
    cdef uint32_t owner = size - c.left
    cdef uint16_t kind, klass, length
    cdef uint32_t ttl, data
    cdef bint leads
    skip_name(c)
    kind = take_u16(c)
    klass = take_u16(c)
    ttl = take_u32(c)
    length = take_u16(c)
    data = size - c.left
    if take(c, length) == NULL and length:
        return False
    if c.failed:
        return False
    if kind == types.OPT:
        if section != 2 or message[owner] != 0 or opt_behind[0] or ttl >> 24:
            return False
        opt_behind[0] = True
        return _read_errors(message + data, length)
    if opt_behind[0]:
        return True  # records after OPT are not needed, and would move
    if notes.records >= MAX_RECORDS:
        return False
    if ttl > types.MAX_TTL:
        ttl = 0
    notes.ttls[notes.records * 2] = data - 6 - start
    notes.ttls[notes.records * 2 + 1] = ttl
    notes.records += 1
    if klass != types.CLASS_IN:
        return True
    leads = section == 0 or (section == 2 and notes.service)
    if leads:
        if (kind == types.A and length == 4) or (kind == types.AAAA and length == 16):
            return _note(LEAD_ADDRESS, message + data, length)
        if kind == types.CNAME or kind == types.DNAME:
            return _note_name(message, size, data, data + length)
        if kind == types.SVCB or kind == types.HTTPS:
            return _read_service(message, size, data, length, owner)
    elif section == 2 and (kind == types.A or kind == types.AAAA):
        return _note_extra(message, size, owner)
    elif section == 1 and kind == types.SOA and length >= 22:
        notes.negative = _u32(message + data + length - 4)
        if ttl < notes.negative:
            notes.negative = ttl
    return True


cdef inline uint32_t _u32(const uint8_t *p) noexcept nogil:
    return <uint32_t>p[0] << 24 | <uint32_t>p[1] << 16 | <uint32_t>p[2] << 8 | p[3]


cdef bint _note(int kind, const uint8_t *octets, uint32_t size) noexcept nogil:
    """Note a name's key or an address that the answer leads to."""
    if notes.leads_size + 2 + size > MAX_LEADS:
        return False
    notes.leads[notes.leads_size] = kind
    notes.leads[notes.leads_size + 1] = <uint8_t>size
    memcpy(notes.leads + notes.leads_size + 2, octets, size)
    notes.leads_size += 2 + size
    return True


cdef bint _note_extra(const uint8_t *message, uint32_t size, uint32_t owner) noexcept nogil:
    """Note the owner of an address in the additional section, once."""
    cdef uint8_t key[256]
    cdef uint32_t key_size, at = 0
    if not _key_at(message, size, owner, key, &key_size):
        return False
    while at < notes.leads_size:
        if (
            notes.leads[at] == LEAD_EXTRA and notes.leads[at + 1] == key_size
            and memcmp(notes.leads + at + 2, key, key_size) == 0
        ):
            return True
        at += 2 + notes.leads[at + 1]
    return _note(LEAD_EXTRA, key, key_size)


cdef bint _note_name(const uint8_t *message, uint32_t size, uint32_t at, uint32_t end) noexcept nogil:
    """Note the name that starts at `at` and must end at `end`."""
    cdef Cursor c = cursor_over(message + at, end - at)
    skip_name(&c)
    return not c.failed and c.left == 0 and _note_key(message, size, at, at)


cdef bint _note_key(const uint8_t *message, uint32_t size, uint32_t at, uint32_t instead) noexcept nogil:
    """Note the name at `at`, or the one at `instead` if that is the root."""
    cdef uint8_t key[256]
    cdef uint32_t key_size
    if not _key_at(message, size, at, key, &key_size):
        return False
    if key_size == 0 and instead != at and not _key_at(message, size, instead, key, &key_size):
        return False
    notes.names += 1
    return notes.names <= MAX_NAMES and _note(LEAD_NAME, key, key_size)


cdef bint _key_at(const uint8_t *message, uint32_t size, uint32_t at, uint8_t *key, uint32_t *key_size) noexcept nogil:
    """Write the key of the name at `at` to a buffer of 254 octets; pointers may only point back."""
    cdef uint16_t places[128]
    cdef uint32_t labels = 0, total = 0, lowest = at, jumps = 0, length, i, j, out = 0
    while True:
        if at >= size:
            return False
        length = message[at]
        if length == 0:
            break
        if length <= MAX_LABEL:
            total += 1 + length
            if at + 1 + length > size or total > MAX_KEY or labels >= MAX_LABELS:
                return False
            places[labels] = <uint16_t>at
            labels += 1
            at += 1 + length
        elif length >= types.POINTER and at + 1 < size:
            at = <uint32_t>(length & ~types.POINTER) << 8 | message[at + 1]
            jumps += 1
            if at < types.HEADER_SIZE or at >= lowest or jumps > MAX_POINTERS:
                return False
            lowest = at
        else:
            return False
    for i in range(labels):
        at = places[labels - 1 - i]
        length = 1 + message[at]
        for j in range(length):
            key[out + j] = folded(message[at + j])
        out += length
    key_size[0] = out
    return True


cdef bint _read_service(
    const uint8_t *message, uint32_t size, uint32_t data, uint32_t length, uint32_t owner
) noexcept nogil:
    """Note the target and the address hints of an SVCB or HTTPS record (RFC 9460 section 2.2)."""
    cdef Cursor c
    cdef uint16_t code, width
    cdef uint32_t step, place
    cdef const uint8_t *value
    if length < 3:
        return False
    notes.service = True
    if not _note_key(message, size, data + 2, owner):
        return False
    c = cursor_over(message + data + 2, length - 2)
    skip_name(&c)
    while c.left and not c.failed:
        code = take_u16(&c)
        width = take_u16(&c)
        value = take(&c, width)
        if c.failed:
            return False
        step = 4 if code == types.SVCB_IPV4HINT else 16 if code == types.SVCB_IPV6HINT else 0
        if step:
            place = 0
            while place + step <= width:
                if not _note(LEAD_ADDRESS, value + place, step):
                    return False
                place += step
    return not c.failed


cdef bint _read_errors(const uint8_t *data, uint32_t length) noexcept nogil:
    """Keep the EDE options of an OPT record."""
    cdef Cursor c = cursor_over(data, length)
    cdef const uint8_t *option
    cdef uint16_t code, size
    while c.left >= 4:
        option = c.at
        code = take_u16(&c)
        size = take_u16(&c)
        if take(&c, size) == NULL and size:
            return False
        if code == types.EDE_OPTION and size >= 2:
            if notes.errors_size + 4 + size > MAX_ERRORS:
                return False
            memcpy(notes.errors + notes.errors_size, option, 4 + size)
            notes.errors_size += 4 + size
    return True


def read(bytes message, uint32_t question_size):
    """Return the result of `read_response` for a message, or None; for tests against the twin.

    As (rcode, authentic, counts, records, ttls, lifetime, names, addresses, extras, errors), in the terms of `Response`.
    """
    cdef uint32_t lifetime = 0
    cdef Entry *entry
    cdef uint32_t i, at = 0
    cdef const uint8_t *octets = <const uint8_t *><const char *>message
    if len(message) > types.MAX_TCP or types.HEADER_SIZE + question_size > len(message):
        return None
    entry = read_response(octets, len(message), question_size, octets, 0, &lifetime)
    if entry == NULL:
        return None
    leads = ([], [], [])
    try:
        while at < entry.leads_size:
            leads[entry.leads[at]].append(entry.leads[at + 2 : at + 2 + entry.leads[at + 1]])
            at += 2 + entry.leads[at + 1]
        return (
            entry.rcode,
            bool(entry.authentic),
            (entry.counts[0], entry.counts[1], entry.counts[2]),
            entry.records[: entry.records_size],
            tuple((entry.ttls[i * 2], entry.ttls[i * 2 + 1]) for i in range(entry.ttl_count)),
            lifetime,
            tuple(leads[LEAD_NAME]),
            tuple(leads[LEAD_ADDRESS]),
            tuple(leads[LEAD_EXTRA]),
            entry.errors[: entry.errors_size],
        )
    finally:
        free(entry)
