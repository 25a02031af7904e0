# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""What the records that are kept lead to; `leads_of_records`, `extra_addresses` and `bounded` of `reading/fitting.py` in C."""

from libc.stdint cimport uint16_t
from libc.string cimport memcpy

from blockd.dns cimport _types as types
from blockd.dns._cursor cimport read_u16
from blockd.resolver._numbers cimport MAX_ADDRESSES, MAX_NAME_LABELS, MAX_NAMES
from blockd.resolver.engine._cache cimport LEAD_ADDRESS, LEAD_EXTRA, LEAD_EXTRA_ADDRESS, LEAD_NAME
from blockd.resolver.engine._names cimport Names, write_key
from blockd.resolver.engine._records cimport (
    FITS, LEADS_TOO_FAR, MARK_EXTRA, MARK_LED, MARK_NOTED, Record, target_of,
)


cdef Fit note_leads(Message *m, Leads *leads) noexcept nogil:
    """Note the names and addresses that the answer leads to, and the others of the additional section."""
    cdef uint32_t i, names = 0, labels = 0, addresses = 0
    cdef uint16_t node
    cdef Record *record
    leads.size = 0
    for i in range(m.kept):
        record = &m.records[m.order[i]]
        if record.section == 1 or (record.section == 2 and not m.names.nodes[record.owner].marks & MARK_LED):
            continue
        if record.qtype == types.A or record.qtype == types.AAAA:
            addresses += 1
            if addresses > MAX_ADDRESSES:
                return LEADS_TOO_FAR
            _note(leads, LEAD_ADDRESS, m.names.message + record.data, record.end - record.data)
        elif (
            record.qtype == types.CNAME or record.qtype == types.DNAME
            or record.qtype == types.SVCB or record.qtype == types.HTTPS
        ):
            node = target_of(record)
            if not m.names.nodes[node].marks & MARK_NOTED:
                m.names.nodes[node].marks |= MARK_NOTED
                names += 1
                labels += m.names.nodes[node].depth
                if names > MAX_NAMES or labels > MAX_NAME_LABELS:
                    return LEADS_TOO_FAR
                _note_name(leads, LEAD_NAME, &m.names, node)
            if (record.qtype == types.SVCB or record.qtype == types.HTTPS) and not _note_hints(m, leads, record, &addresses):
                return LEADS_TOO_FAR
    for i in range(m.first[2], m.first[3]):
        record = &m.records[i]
        if record.step < 0 or m.names.nodes[record.owner].marks & MARK_LED:
            continue
        if record.qtype == types.A or record.qtype == types.AAAA:
            _note(leads, LEAD_EXTRA_ADDRESS, m.names.message + record.data, record.end - record.data)
        if m.names.nodes[record.owner].marks & MARK_EXTRA:
            m.names.nodes[record.owner].marks &= ~<uint32_t>MARK_EXTRA
            _note_name(leads, LEAD_EXTRA, &m.names, record.owner)
    return FITS


cdef bint _note_hints(const Message *m, Leads *leads, const Record *record, uint32_t *addresses) noexcept nogil:
    """Note the address hints of an SVCB record, whose shape was checked; False if there are too many."""
    cdef const uint8_t *message = m.names.message
    cdef uint32_t at = record.names.end[0], key, size, step, place
    while at < record.end:
        key, size = read_u16(message + at), read_u16(message + at + 2)
        at += 4
        step = 4 if key == types.SVCB_IPV4HINT else 16 if key == types.SVCB_IPV6HINT else 0
        if step:
            addresses[0] += size // step
            if addresses[0] > MAX_ADDRESSES:
                return False
            place = at
            while place < at + size:
                _note(leads, LEAD_ADDRESS, message + place, step)
                place += step
        at += size
    return True


cdef void _note(Leads *leads, int kind, const uint8_t *octets, uint32_t size) noexcept nogil:
    leads.octets[leads.size], leads.octets[leads.size + 1] = <uint8_t>kind, <uint8_t>size
    memcpy(leads.octets + leads.size + 2, octets, size)
    leads.size += 2 + size


cdef void _note_name(Leads *leads, int kind, const Names *names, uint16_t node) noexcept nogil:
    leads.octets[leads.size], leads.octets[leads.size + 1] = <uint8_t>kind, names.nodes[node].key_size
    write_key(names, node, leads.octets + leads.size + 2)
    leads.size += 2 + names.nodes[node].key_size
