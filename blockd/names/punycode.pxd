cimport cython

from libc.stdint cimport int64_t


@cython.locals(
    codes=list, others=list, basic=list, written=list, handled=list, code=int64_t, at=int64_t, bias=int64_t, is_first=bint,
    char=int64_t, place=int64_t, before=int64_t, length=int64_t, left=int64_t, delta=int64_t, k=int64_t,
    threshold=int64_t,
)
cpdef str encode(str label)

@cython.locals(k=int64_t)
cdef int64_t _adapted(int64_t delta, int64_t length, bint is_first)
