from libc.stdint cimport uint8_t, uint32_t

from blockd.resolver.engine._records cimport Fit, Message

cdef enum:
    MAX_LEADS = 20480  # octets: names, addresses and extras at their most, each with kind and size

cdef struct Leads:
    uint32_t size
    uint8_t octets[MAX_LEADS]  # kind, size, octets; one after the other

cdef Fit note_leads(Message *m, Leads *leads) noexcept nogil
