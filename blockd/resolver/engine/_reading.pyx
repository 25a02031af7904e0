# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""An upstream's message read into a cache entry, in C; `response.py` says what is kept of it and why."""

import secrets

from libc.stdlib cimport free
from libc.string cimport memcpy

from blockd.dns cimport _types as types
from blockd.dns._cursor cimport read_u16
from blockd.resolver._numbers cimport MAX_RECORDS, MAX_STEPS
from blockd.resolver.engine._cache cimport LEAD_ADDRESS, LEAD_EXTRA, LEAD_EXTRA_ADDRESS, LEAD_NAME, new_entry
from blockd.resolver.engine._names cimport read_name, start_names
from blockd.resolver.engine._noting cimport Leads, note_leads
from blockd.resolver.engine._options cimport read_options
from blockd.resolver.engine._rdata cimport read_data
from blockd.resolver.engine._records cimport (
    FITS, LEADS_TOO_FAR, LOOPS, Fit, Message, Record, fit, write_records,
)

cdef enum:
    OUT_SIZE = 140000  # octets: a message at its longest, and one record
    ORDINARY = 64  # address records of an answer that has nothing else

ANSWER, TRUNCATED, FAILURE, MALFORMED, TOO_FAR = SAID_ANSWER, SAID_TRUNCATED, SAID_FAILURE, SAID_MALFORMED, SAID_TOO_FAR
TOO_MANY, LOOP, NOT_OF_DNAME = SAID_TOO_MANY, SAID_LOOP, SAID_NOT_OF_DNAME
OTHER_CLASS, TOO_LARGE, TOO_MANY_LABELS = SAID_OTHER_CLASS, SAID_TOO_LARGE, SAID_TOO_MANY_LABELS

# One thread reads one message at a time; what is not touched takes no memory.
cdef Message parsed
cdef Leads leads
cdef uint32_t ttls[MAX_RECORDS * 2]
cdef uint8_t written[OUT_SIZE]

parsed.names.seeds[0] = secrets.randbits(64)
parsed.names.seeds[1] = secrets.randbits(64) | 1


cdef Entry *read_response(
    const uint8_t *message, uint32_t size, uint32_t question_size, const uint8_t *key, uint32_t key_size, bint do_,
    Reading *reading,
) noexcept nogil:
    """Return a new entry under `key`, without hash and times, for a message whose header and question match.

    `do_` says whether it was asked with DO. NULL if it is not an answer; `reading` says what it is.
    """
    cdef uint32_t flags = read_u16(message + 2), start = types.HEADER_SIZE + question_size, records = 0, i
    cdef Entry *entry
    reading.lifetime = reading.errors.size = 0
    reading.rcode = flags & types.RCODE
    if flags & types.TC:
        reading.said = SAID_TRUNCATED
        return NULL
    reading.said = SAID_MALFORMED
    for i in range(3):
        records += read_u16(message + 6 + 2 * i)
    if size > types.MAX_TCP or size < start:
        return NULL
    if records > MAX_RECORDS:
        reading.said = SAID_TOO_MANY
        return NULL
    entry = _read_ordinary(message, size, start, key_size, reading)
    if entry == NULL:
        entry = _read_any(message, size, start, key_size, do_, reading)
    if entry != NULL:
        memcpy(entry.key, key, key_size)
        memcpy(entry.errors, reading.errors.octets, reading.errors.size)
        entry.authentic = (flags & types.AD) != 0
        entry.rcode = <uint8_t>reading.rcode
        reading.errors.size = 0
    return entry


cdef Entry *_read_ordinary(
    const uint8_t *message, uint32_t size, uint32_t start, uint32_t key_size, Reading *reading
) noexcept nogil:
    """Read a message with addresses of the name asked alone, and an OPT record or none; NULL if it is not one."""
    cdef uint32_t count = read_u16(message + 6), at = start, i, _i, ttl, width, opts = read_u16(message + 10)
    cdef uint16_t qtype = read_u16(message + start - 4)
    cdef const uint8_t *p
    cdef Entry *entry
    width = 4 if qtype == types.A else 16 if qtype == types.AAAA else 0
    if not width or reading.rcode != types.NOERROR or not 0 < count <= ORDINARY or read_u16(message + 8) or opts > 1:
        return NULL
    if size - start < count * (12 + width) + opts * types.OPT_SIZE:
        return NULL
    for _i in range(count):
        p = message + at
        if p[0] != types.POINTER or p[1] != types.HEADER_SIZE or read_u16(p + 2) != qtype:
            return NULL
        if read_u16(p + 4) != types.CLASS_IN or read_u16(p + 10) != width:
            return NULL
        at += 12 + width
    if opts:
        p = message + at
        if p[0] != 0 or read_u16(p + 1) != types.OPT or p[5] or size - at - types.OPT_SIZE != read_u16(p + 9):
            return NULL
        if size - at != types.OPT_SIZE and not read_options(p + types.OPT_SIZE, size - at - types.OPT_SIZE, &reading.errors):
            return NULL
    elif at != size:
        return NULL
    entry = new_entry(key_size, at - start, count, reading.errors.size, count * (2 + width))
    if entry == NULL:
        return NULL
    memcpy(entry.records, message + start, at - start)
    at = 0
    for i in range(count):
        p = entry.records + at
        ttl = _ttl_of(_u32(p + 6))
        entry.ttls[i * 2], entry.ttls[i * 2 + 1] = at + 6, ttl
        if i == 0 or ttl < reading.lifetime:
            reading.lifetime = ttl
        entry.leads[i * (2 + width)], entry.leads[i * (2 + width) + 1] = LEAD_ADDRESS, <uint8_t>width
        memcpy(entry.leads + i * (2 + width) + 2, p + 12, width)
        at += 12 + width
    entry.counts[0] = <uint16_t>count
    reading.said = SAID_ANSWER
    return entry


cdef Entry *_read_any(
    const uint8_t *message, uint32_t size, uint32_t start, uint32_t key_size, bint do_, Reading *reading
) noexcept nogil:
    """Read any message."""
    cdef Message *m = &parsed
    cdef uint32_t i, section, opt_at = MAX_RECORDS, records_size, behind
    cdef const uint8_t *records
    cdef Entry *entry
    cdef Fit found
    cdef Record *record
    reading.errors.size = 0
    start_names(&m.names, message, size)
    if not _read_records(m, start, &opt_at, reading):
        return _refused(m, reading)
    if reading.rcode != types.NOERROR and reading.rcode != types.NXDOMAIN:
        reading.said = SAID_FAILURE
        return NULL
    if not read_name(&m.names, types.HEADER_SIZE, &m.chain[0], &behind):
        return _refused(m, reading)
    m.qtype = read_u16(message + start - 4)
    m.do_ = do_
    found = fit(m)
    if found == FITS:
        found = note_leads(m, &leads)
    if found != FITS:
        reading.said = SAID_TOO_FAR if found == LEADS_TOO_FAR else SAID_LOOP if found == LOOPS else SAID_NOT_OF_DNAME
        return NULL
    if _is_prefix(m, opt_at):
        records = message + start
        records_size = m.records[m.kept - 1].end - start if m.kept else 0
        for i in range(m.kept):
            ttls[i * 2], ttls[i * 2 + 1] = m.records[i].data - 6 - start, m.records[i].ttl
    else:
        records = written + start
        records_size = write_records(m, start, written, ttls)
        if records_size == 0:
            reading.said = SAID_TOO_LARGE
            return _refused(m, reading)
        records_size -= start
    reading.said = SAID_ANSWER
    entry = new_entry(key_size, records_size, m.kept, reading.errors.size, leads.size)
    if entry == NULL:
        return NULL
    memcpy(entry.records, records, records_size)
    memcpy(entry.ttls, ttls, m.kept * 8)
    memcpy(entry.leads, leads.octets, leads.size)
    for i in range(m.kept):
        section = m.records[m.order[i]].section
        entry.counts[section] += 1
    entry.negative = reading.rcode == types.NXDOMAIN or not m.answered
    for i in range(m.kept):
        record = &m.records[m.order[i]]
        if i == 0 or record.ttl < reading.lifetime:
            reading.lifetime = record.ttl
    if entry.negative:
        _limit_negative(m, reading)
    return entry


cdef Entry *_refused(const Message *m, Reading *reading) noexcept nogil:
    """Say so if it is for its names' labels that a message was not read or written; return NULL."""
    if m.names.steps > MAX_STEPS:
        reading.said = SAID_TOO_MANY_LABELS
    return NULL


cdef bint _is_prefix(const Message *m, uint32_t opt_at) noexcept nogil:
    """Return whether nothing is left out before a record that is kept."""
    cdef uint32_t i
    if m.kept > opt_at:
        return False
    for i in range(m.kept):
        if m.order[i] != i:
            return False
    return True


cdef void _limit_negative(const Message *m, Reading *reading) noexcept nogil:
    """Limit the lifetime to what the SOA record says; 0 if there is none (RFC 2308 section 5)."""
    cdef uint32_t i, minimum
    cdef const Record *record
    for i in range(m.first[1], m.first[2]):
        record = &m.records[i]
        if record.step >= 0 and record.qtype == types.SOA:
            minimum = _u32(m.names.message + record.end - 4)
            if minimum < reading.lifetime:
                reading.lifetime = minimum
            return
    reading.lifetime = 0


cdef bint _read_records(Message *m, uint32_t at, uint32_t *opt_at, Reading *reading) noexcept nogil:
    """Read the records of all sections, up to the message's last octet; False if anything is malformed."""
    cdef const uint8_t *message = m.names.message
    cdef uint32_t size = m.names.size, section, _i, behind, count = 0, length, place, ttl
    cdef uint16_t qtype
    cdef bint has_opt = False
    cdef Record *record
    for section in range(3):
        m.first[section] = count
        for _i in range(read_u16(message + 6 + 2 * section)):
            record = &m.records[count]
            place = at
            if not read_name(&m.names, place, &record.owner, &behind) or behind + 10 > size:
                return False
            qtype = read_u16(message + behind)
            ttl = _u32(message + behind + 4)
            length = read_u16(message + behind + 8)
            at = behind + 10 + length
            if at > size:
                return False
            if qtype == types.OPT:
                if section != 2 or message[place] != 0 or has_opt:
                    return False
                has_opt = True
                opt_at[0] = count
                reading.rcode |= <uint16_t>(ttl >> 24 << 4)
                if not read_options(message + behind + 10, length, &reading.errors):
                    return False
                continue
            if read_u16(message + behind + 2) != types.CLASS_IN and (qtype != types.TSIG or section != 2):
                reading.said = SAID_OTHER_CLASS
                return False
            record.place, record.data, record.end = place, behind + 10, at
            record.qtype, record.section, record.step = qtype, <uint8_t>section, -1
            record.ttl = _ttl_of(ttl)
            if not read_data(&m.names, qtype, record.data, at, &record.names):
                return False
            record.covered = read_u16(message + record.data) if qtype == types.RRSIG else 0
            count += 1
    m.first[3] = count
    return at == size


cdef inline uint32_t _u32(const uint8_t *p) noexcept nogil:
    return <uint32_t>p[0] << 24 | <uint32_t>p[1] << 16 | <uint32_t>p[2] << 8 | p[3]


cdef inline uint32_t _ttl_of(uint32_t ttl) noexcept nogil:
    return ttl if ttl <= types.MAX_TTL else 0  # RFC 2181 section 8


def read(bytes message, uint32_t question_size, bint do=False):
    """Return the result of `read_response` for a message, for those that wait in Python.

    As (what it said, rcode, authentic, negative, counts, records, ttls, lifetime, names, addresses, extras, extra
    addresses, errors), in the terms of `Response`. All is empty behind the first of them for a message that is malformed.
    """
    cdef Reading reading
    cdef Entry *entry
    cdef uint32_t i, at = 0
    cdef const uint8_t *octets = <const uint8_t *><const char *>message
    if types.HEADER_SIZE + question_size > len(message):
        raise ValueError("the message is shorter than its question")
    entry = read_response(octets, len(message), question_size, octets, 0, do, &reading)
    if entry == NULL:
        heard = reading.said == SAID_FAILURE or reading.said == SAID_TRUNCATED
        rcode = reading.rcode if heard else 0
        authentic = heard and message[3] & types.AD != 0
        errors = reading.errors.octets[: reading.errors.size] if reading.said == SAID_FAILURE else b""
        return reading.said, rcode, authentic, False, (0, 0, 0), b"", (), 0, (), (), (), (), errors
    found = ([], [], [], [])
    try:
        while at < entry.leads_size:
            found[entry.leads[at]].append(entry.leads[at + 2 : at + 2 + entry.leads[at + 1]])
            at += 2 + entry.leads[at + 1]
        return (
            reading.said,
            entry.rcode,
            bool(entry.authentic),
            bool(entry.negative),
            (entry.counts[0], entry.counts[1], entry.counts[2]),
            entry.records[: entry.records_size],
            tuple((entry.ttls[i * 2], entry.ttls[i * 2 + 1]) for i in range(entry.ttl_count)),
            reading.lifetime,
            tuple(found[LEAD_NAME]),
            tuple(found[LEAD_ADDRESS]),
            tuple(found[LEAD_EXTRA]),
            tuple(found[LEAD_EXTRA_ADDRESS]),
            entry.errors[: entry.errors_size],
        )
    finally:
        free(entry)


def header_only(bytes message):
    """Return the result of `is_header_only` for a message; for tests against the twin."""
    return is_header_only(<const uint8_t *><const char *>message, len(message))
