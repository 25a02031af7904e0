# The types with which server_cookies.py is compiled.

cimport cython

from blockd.resolver.edge.sip_hash cimport SipHash

cdef int _VERSION
cdef int _CLIENT
cdef unsigned int _WHOLE
cdef long long _MAX_AGE
cdef long long _MAX_AHEAD
cdef long long _RENEWED
cdef long long _HALF
cdef long long _MOST
cdef int _UNKNOWN
cdef int _KNOWN
cdef int _FRESH


@cython.final
cdef class ServerCookies:
    cdef int _count
    cdef unsigned long long[::1] _keys
    cdef SipHash _hash

    @cython.locals(moment="unsigned int", age="long long", head=cython.ulonglong, shown=cython.ulonglong, secret=int)
    cpdef int judge(self, const unsigned char *cookie, unsigned int size, const unsigned char *host, int host_size, unsigned int now) noexcept nogil

    @cython.locals(swapped=cython.ulonglong)
    cpdef unsigned long long head(self, unsigned int now) noexcept nogil
    cpdef unsigned long long sign(self, int secret, const unsigned char *cookie, unsigned long long head, const unsigned char *host, int host_size) noexcept nogil

    @cython.locals(word=cython.ulonglong, number=int)
    cdef unsigned long long _word(self, const unsigned char *octets, int place) noexcept nogil

    @cython.locals(found="unsigned int", number=int)
    cdef unsigned int _number(self, const unsigned char *octets, int place, int size) noexcept nogil

    @cython.locals(found="unsigned int", number=int)
    cdef unsigned long long _number_of_host(self, const unsigned char *host) noexcept nogil
