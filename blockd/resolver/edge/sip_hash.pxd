# The types with which sip_hash.py is compiled.

cimport cython

cdef unsigned long long _MASK
cdef unsigned long long _S0
cdef unsigned long long _S1
cdef unsigned long long _S2
cdef unsigned long long _S3


@cython.final
cdef class SipHash:
    cdef unsigned long long v0
    cdef unsigned long long v1
    cdef unsigned long long v2
    cdef unsigned long long v3

    cpdef void start(self, unsigned long long k0, unsigned long long k1) noexcept nogil
    cpdef void add(self, unsigned long long word) noexcept nogil
    cpdef unsigned long long end(self, unsigned long long tail, unsigned long long size) noexcept nogil

    @cython.locals(v0=cython.ulonglong, v1=cython.ulonglong, v2=cython.ulonglong, v3=cython.ulonglong)
    cdef void _round(self) noexcept nogil
