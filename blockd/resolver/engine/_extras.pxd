# The additional section of an answer that does not lead there, as composing/extras.py says.

from libc.stdint cimport uint32_t

from blockd.dns._cursor cimport read_u16
from blockd.resolver.engine._cache cimport LEAD_EXTRA, Entry

cdef inline uint32_t additional_at(const Entry *entry) noexcept nogil:
    """Return where in an entry's records its additional section begins."""
    cdef uint32_t count = entry.counts[0] + entry.counts[1]
    cdef uint32_t place, end
    if count == 0 or count > entry.ttl_count:
        return 0
    place = entry.ttls[(count - 1) * 2]
    if place + 6 > entry.records_size:
        return 0
    end = place + 6 + read_u16(entry.records + place + 4)
    return end if end <= entry.records_size else 0

cdef inline bint has_extras(const Entry *entry) noexcept nogil:
    """Return whether an entry's additional section has addresses that its answer does not lead to."""
    cdef uint32_t at = 0
    while at + 2 <= entry.leads_size:
        if entry.leads[at] == LEAD_EXTRA:
            return True
        at += 2 + entry.leads[at + 1]
    return False
