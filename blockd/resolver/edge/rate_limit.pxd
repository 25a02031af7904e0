# The types with which rate_limit.py is compiled.

cimport cython

from blockd.resolver.edge.sip_hash cimport SipHash
from blockd.resolver.moment_table cimport MomentTable

cdef double _BURST
cdef double _DEBT
cdef double _ROUNDING
cdef int _IPV4_OCTETS
cdef int _IPV6_OCTETS
cdef int _SETS
cdef int _MAX_LABELS
cdef int _PASSED
cdef int _DROPPED
cdef int _TRUNCATED
cdef int _BADCOOKIE
cdef int _RESPONSES
cdef int _STRANGERS
cdef unsigned int _HEADER_SIZE
cdef unsigned int _POINTER


@cython.final
cdef class RateLimiter:
    cdef readonly bint limits_clients
    cdef readonly bint limits_strangers
    cdef double[::1] _costs
    cdef int _slip
    cdef unsigned long long _k0
    cdef unsigned long long _k1
    cdef SipHash _hash
    cdef MomentTable _buckets
    cdef unsigned int[::1] _limited

    @cython.locals(cost=double, until=double, bucket=int)
    cpdef int judge(self, const unsigned char *answer, unsigned int size, int rcode, const unsigned char *host, int host_size, int kind, bint has_cookie, double now) noexcept nogil

    @cython.locals(word=cython.ulonglong, octet=cython.ulonglong, place="unsigned int", begin="unsigned int", end="unsigned int", qtype=cython.ulonglong)
    cdef unsigned long long _hashed(self, const unsigned char *answer, unsigned int size, int rcode, const unsigned char *host, int host_size, int kind) noexcept nogil

    @cython.locals(place="unsigned int", _=int)
    cdef unsigned int _name_end(self, const unsigned char *answer, unsigned int size) noexcept nogil

    @cython.locals(place="unsigned int", length="unsigned int", octet="unsigned int", target="unsigned int", _=int)
    cdef unsigned int _zone(self, const unsigned char *answer, unsigned int size, unsigned int end) noexcept nogil

    @cython.locals(bucket=int)
    cdef int _bucket(self, unsigned long long hashed, double now) noexcept nogil
