# The additional section of an answer that does not lead there, as extras.py says.

from libc.stdint cimport uint8_t, uint16_t, uint32_t
from libc.string cimport memcpy

from blockd.dns cimport _types as types
from blockd.dns._cursor cimport read_u16
from blockd.resolver._numbers cimport MAX_EXTRA_ADDRESSES, MAX_EXTRA_NAMES
from blockd.resolver.engine._cache cimport LEAD_ADDRESS, LEAD_EXTRA, Entry

cdef enum:
    EXTRAS_SIZE = MAX_EXTRA_NAMES * (2 + 255) + MAX_EXTRA_ADDRESSES * (2 + 16)  # octets
    TOO_LARGE = 0xFFFFFFFF

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

cdef inline uint32_t gather_extras(const Entry *entry, uint8_t *leads) noexcept nogil:
    """Write the names and addresses of an entry's additional section as leads, and return how many octets these are.

    0 if no name is to be judged, TOO_LARGE if there are too many.
    """
    cdef uint32_t at = 0, size = 0, names = 0, addresses = 0, place, i
    cdef uint16_t kind, length
    while at + 2 <= entry.leads_size:
        if entry.leads[at] == LEAD_EXTRA:
            if names == MAX_EXTRA_NAMES:
                return TOO_LARGE
            memcpy(leads + size, entry.leads + at, 2 + entry.leads[at + 1])
            size += 2 + entry.leads[at + 1]
            names += 1
        at += 2 + entry.leads[at + 1]
    if names == 0:
        return 0
    for i in range(entry.counts[0] + entry.counts[1], entry.ttl_count):
        place = entry.ttls[i * 2]
        if place < 4 or place + 6 > entry.records_size or read_u16(entry.records + place - 2) != types.CLASS_IN:
            continue
        kind = read_u16(entry.records + place - 4)
        length = read_u16(entry.records + place + 4)
        if place + 6 + length > entry.records_size:
            continue
        if (kind == types.A and length == 4) or (kind == types.AAAA and length == 16):
            if addresses == MAX_EXTRA_ADDRESSES:
                return TOO_LARGE
            leads[size] = LEAD_ADDRESS
            leads[size + 1] = <uint8_t>length
            memcpy(leads + size + 2, entry.records + place + 6, length)
            size += 2 + length
            addresses += 1
    return size
