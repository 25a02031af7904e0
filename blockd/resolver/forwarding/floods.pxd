# The types with which floods.py is compiled.

cimport cython

from blockd.resolver.forwarding.askers cimport Askers


cdef class Domain:
    cdef double level
    cdef double spread
    cdef double moment
    cdef int doubts
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
    cdef readonly int doubts
    cdef Askers _askers
    cdef object _exempt
    cdef frozenset _names
    cdef frozenset _wild
    cdef frozenset _exceptions
    cdef object _tell
    cdef int _told
    cdef double _telling_since
    cdef dict _domains

    @cython.locals(domain=Domain, name=bytes, fails=bint)
    cpdef bytes refusal(self, bytes key, bytes asker, double now)

    @cython.locals(domain=Domain, name=bytes, passed=double)
    cpdef bint is_flooded(self, bytes key, bytes asker, double now) except *

    @cython.locals(domain=Domain, name=bytes)
    cpdef int note_doubt(self, bytes key, bytes asker, double now) except -1

    @cython.locals(domain=Domain, name=bytes)
    cpdef end_doubt(self, bytes key, bytes asker, int counted)

    @cython.locals(domain=Domain, name=bytes, passed=double, counted=int)
    cpdef int note_failure(self, bytes key, bytes asker, double now) except -1

    @cython.locals(domain=Domain, name=bytes)
    cpdef take_back(self, bytes key, bytes asker, int counted)

    @cython.locals(size=Py_ssize_t, end=Py_ssize_t, suffix=Py_ssize_t, labels=int, is_wild=bint, is_listed=bint, name=bytes)
    cpdef bytes domain_of(self, bytes key)

    @cython.locals(domain=Domain)
    cdef Domain _domain(self, bytes name, double now)

    @cython.locals(passed=double)
    cdef bint _fails_for(self, Domain domain, bytes name, bytes asker, double now) except *
    cdef bint _is_waited_for(self, Domain domain, bytes name, bytes asker) except *

    @cython.locals(domain=Domain, name=bytes)
    cdef _make_room(self, double now)
    cdef bint _may_ask(self, Domain domain, double now) noexcept
    cdef double _passed(self, Domain domain, double now) noexcept
    cdef bint _is_exempt(self, bytes key) except *
    cdef _begin(self, Domain domain, bytes name, double now)
