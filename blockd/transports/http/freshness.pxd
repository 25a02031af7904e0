# The types with which freshness.py is compiled.

cimport cython


@cython.locals(
    size=Py_ssize_t, at=Py_ssize_t, rcode=int, answers=int, authorities=int, number=int, kind=int, length=int,
    ttl="long long", least="long long",
)
cpdef long long freshness_seconds(bytes message) except -2

cdef long long _number(bytes message, Py_ssize_t at) except -1

@cython.locals(size=Py_ssize_t, length=int)
cdef Py_ssize_t _behind_name(bytes message, Py_ssize_t at) except -1
