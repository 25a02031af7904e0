# The types with which floods.py is compiled.

cimport cython


cdef class Domain:
    cdef double level
    cdef double moment
    cdef int held_back
    cdef int asked
    cdef double asking_since
    cdef bytes said


cdef class Floods:
    cdef readonly double rate
    cdef readonly double threshold
    cdef readonly double most
    cdef readonly unsigned long long held_back
    cdef readonly double flooded_until
    cdef object _exempt
    cdef frozenset _names
    cdef frozenset _wild
    cdef frozenset _exceptions
    cdef object _tell
    cdef int _told
    cdef double _telling_since
    cdef dict _domains

    @cython.locals(domain=Domain)
    cpdef bytes refusal(self, bytes key, double now)

    cpdef bint is_flooded(self, bytes key, double now) except *

    @cython.locals(domain=Domain, name=bytes)
    cpdef note_failure(self, bytes key, double now)

    @cython.locals(domain=Domain)
    cpdef take_back(self, bytes key)

    @cython.locals(size=Py_ssize_t, end=Py_ssize_t, suffix=Py_ssize_t, labels=int, is_wild=bint, is_listed=bint, name=bytes)
    cpdef bytes domain_of(self, bytes key)

    @cython.locals(domain=Domain)
    cdef Domain _flooded(self, bytes key, double now)

    @cython.locals(domain=Domain, name=bytes)
    cdef _make_room(self, double now)
    cdef bint _may_ask(self, Domain domain, double now) noexcept
    cdef double _level(self, Domain domain, double now) noexcept
    cdef bint _is_exempt(self, bytes key) except *
    cdef _begin(self, Domain domain, bytes name, double now)
