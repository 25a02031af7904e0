from libc.stdint cimport uint8_t, uint32_t

from blockd.names._numbers cimport MAX_KEY
from blockd.resolver._numbers cimport MAX_ADDRESSES, MAX_EXTRA_ADDRESSES, MAX_EXTRAS, MAX_NAMES
from blockd.resolver.engine._records cimport Fit, Message

cdef enum:
    # Octets: names and addresses at their most, each with kind and size.
    MAX_LEADS = (MAX_NAMES + MAX_EXTRAS) * (2 + MAX_KEY) + (MAX_ADDRESSES + MAX_EXTRA_ADDRESSES) * (2 + 16)

cdef struct Leads:
    uint32_t size
    uint8_t octets[MAX_LEADS]  # kind, size, octets; one after the other

cdef Fit note_leads(Message *m, Leads *leads) noexcept nogil
