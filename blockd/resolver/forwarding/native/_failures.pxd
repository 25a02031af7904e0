from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

from blockd.resolver._ages cimport Age, Ages

cdef enum:
    FAILURE_PLACES = 16384
    MAX_SAID = 1024  # octets of the Extended DNS Errors of one failure

# What a failure is about.
cdef enum About:
    ABOUT_NAME = 0
    ABOUT_UPSTREAMS = 1  # of the group: it is over when one of them is up again
    ABOUT_SILENCE = 2  # of the group: it is over when one of them is heard

cdef struct Failure:
    Age age  # of its last use
    Failure *chain
    uint64_t hash
    double since  # by the monotonic clock, seconds
    double until  # by the cache's clock
    double kept  # seconds for which it is remembered
    int group  # of upstreams
    bint is_said  # by an upstream, with SERVFAIL
    int about
    uint16_t qtype
    uint8_t do_
    uint8_t cd
    uint32_t key_size
    uint32_t errors_size
    uint8_t *errors  # the EDE options of the answer
    uint8_t key[1]


cdef class Failures:
    cdef Failure *places[FAILURE_PLACES]
    cdef Ages ages
    cdef readonly int count

    cdef Failure *find(self, uint64_t hashed, const uint8_t *key, uint32_t size, uint16_t qtype, bint do_, bint cd) noexcept nogil
    cdef void keep(self, uint64_t hashed, const uint8_t *key, uint32_t size, uint16_t qtype, bint do_, bint cd, int group, int about, bint is_said, const uint8_t *errors, uint32_t errors_size, double since, double until, double kept) noexcept nogil
    cdef void forget(self, Failure *failure) noexcept nogil
