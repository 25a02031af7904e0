from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from blockd.resolver.engine._cache cimport Entry, NativeCache
from blockd.resolver.engine._edge cimport ANSWERED, DECLINED, FLOWN, MISSED, SILENT, Edge, Result
from blockd.resolver.engine._groups cimport Groups
from blockd.resolver.engine._message cimport Question
from blockd.resolver.engine._sockets cimport sockaddr
from blockd.resolver.local._zones cimport NativeLocalZones
from blockd.ruleset._parties cimport Decision
from blockd.ruleset._table cimport Table

cdef enum Origin:
    FROM_UPSTREAM = 0
    FROM_CACHE = 1
    STALE = 2  # an entry of the cache that has expired

cdef struct Passed:
    int64_t hit  # the order that the question hit, -1 for none
    uint8_t tiers  # before which tier the operator may still act on the answer, 0 if nobody may
    bint passing  # whether there are authorities that do not act on it
    int64_t until  # `Verdict.until`
    uint32_t group  # of the client, 0 if it is in none
    Decision rule  # of the operator, for the client; none if its ruling is RULED_NONE

cdef class Answering(Edge):
    cdef bint refuse_unready
    cdef bint is_costly  # the message in hand took much longer than most do
    cdef Table table
    cdef uint64_t table_number
    cdef object _answers
    cdef list _orders
    cdef uint8_t in_place_of_sinkhole  # the action's number, for clients that read structured errors
    cdef bytes _errors
    cdef bytes _error_places
    cdef bytes _hit_slots
    cdef bytes _hidden
    cdef const uint8_t *errors
    cdef const uint32_t *error_places
    cdef const uint32_t *hit_slots
    cdef const uint8_t *hidden  # of each order, 1 if its names are told to nobody
    cdef uint64_t version  # of the ruleset
    cdef bytes _a
    cdef bytes _aaaa
    cdef bytes _soa
    cdef tuple _groups
    cdef Groups groups
    cdef const uint8_t *a
    cdef const uint8_t *aaaa
    cdef const uint8_t *soa
    cdef uint32_t a_size
    cdef uint32_t aaaa_size
    cdef uint32_t soa_size
    cdef uint32_t ttl  # of these
    cdef uint32_t client_ttl  # that no TTL of an answer is over
    cdef bytes _targets
    cdef bytes _target_places
    cdef const uint8_t *targets  # of `cname` actions, keys behind 1 if the name asked for goes below, else 0
    cdef const uint32_t *target_places
    cdef Decision alias  # the last one about a question whose action is an alias
    cdef NativeLocalZones local  # None if nothing is answered here

    cdef void _turn_to(self, const sockaddr *client, Passed *passed) noexcept nogil
    cdef bint _is_decided(self, const Question *q, const sockaddr *client, Decision name, int transport, uint8_t *out, uint32_t *written, Result *result, Passed *passed) noexcept nogil
    cdef Decision _decided_for(self, const Question *q, const sockaddr *client, Decision name, Decision *rule) noexcept nogil
    cdef Result _block_counted(self, const Question *q, const Decision *decision, int transport, int64_t first, uint8_t *out, uint32_t *written) noexcept nogil
    cdef const uint8_t *_errors_of(self, const Question *q, uint32_t order, uint32_t *size) noexcept nogil
    cdef Result _alias(self, NativeCache cache, const Question *q, int transport, uint8_t *out, uint32_t *written, double now) noexcept nogil
    cdef void _refresh(self, Entry *entry, double now) noexcept nogil
    cdef bint _is_local(self, const Question *q, int transport, const Passed *passed, uint8_t *out, uint32_t *written, Result *result) noexcept nogil
    cdef uint32_t _address_record(self, uint16_t qtype, uint8_t *out) noexcept nogil
    cdef Result _from_entry(self, const Question *q, Entry *entry, int transport, const Passed *passed, int origin, uint8_t *out, uint32_t *written, double now) noexcept nogil
    cdef void _judge(self, const Question *q, Entry *entry, const Passed *passed) noexcept nogil
    cdef void _begin_judging(self, const Question *q, const Passed *passed) noexcept nogil
    cdef uint32_t _left(self, int64_t until) noexcept nogil
    cdef void _count(self, int transport, int64_t hit, int64_t second, int rcode) noexcept nogil
    cdef void _count_block(self, int transport, int64_t first, const Decision *decision, int rcode) noexcept nogil
    cdef void _count_hit(self, uint32_t order) noexcept nogil
