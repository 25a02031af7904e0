from libc.stdint cimport int8_t, uint8_t, uint16_t, uint32_t

from blockd.resolver._numbers cimport MAX_RECORDS
from blockd.resolver.engine._names cimport Names
from blockd.resolver.engine._rdata cimport DataNames

cdef struct Record:
    uint32_t place  # of the owner
    uint32_t ttl
    uint32_t data
    uint32_t end
    uint16_t owner
    uint16_t qtype
    uint16_t covered  # the type that an RRSIG covers, 0 for other records
    int8_t step  # of the chain, which it belongs to; -1 if it is dropped, 0 in the other sections
    uint8_t section
    DataNames names

cdef struct Message:
    Names names
    Record records[MAX_RECORDS]
    uint16_t order[MAX_RECORDS]  # of the records that are kept
    uint32_t first[4]  # record of each section, and behind the last one
    uint32_t kept
    uint16_t chain[17]  # the name asked and what it is an alias of, one after the other
    uint32_t steps
    uint16_t qtype
    bint do_
    bint answered
    bint is_ordered

cdef enum Fit:
    FITS = 0
    CONTRADICTS = 1  # a CNAME record is not what a DNAME record makes
    LEADS_TOO_FAR = 2
    LOOPS = 3

cdef enum Mark:
    MARK_TIP = 1  # in the chain
    MARK_CHAIN = 2  # at or above a name of the chain
    MARK_END = 4  # at or above its last name
    MARK_MENTIONED = 8  # in the data of a record that is kept
    MARK_LED = 16  # where an SVCB record leads
    MARK_EXTRA = 32  # owner of addresses in the additional section, where the answer does not lead
    MARK_NOTED = 64  # among the names that the answer leads to
    MARK_DS = 128  # proved by an RRSIG
    MARK_NSEC = 256
    MARK_NSEC3 = 512
    MARK_A = 1024  # kept in the additional section
    MARK_AAAA = 2048
    MARK_CNAME = 4096
    MARK_SVCB = 8192
    MARK_HTTPS = 16384

cdef Fit fit(Message *m) noexcept nogil
cdef uint16_t target_of(const Record *record) noexcept nogil
cdef uint32_t write_records(Message *m, uint32_t start, uint8_t *out, uint32_t *ttls) noexcept nogil
