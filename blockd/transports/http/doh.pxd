# The types with which doh.py is compiled.

cimport cython

from blockd.transports.http.freshness cimport freshness_seconds
from blockd.transports.http.request cimport HttpRequest


@cython.locals(query=bytes, where=bytes, method=bytes, kind=bytes, message=bytes, part=bytes)
cpdef question_of(HttpRequest request, bytes path)

@cython.locals(seconds="long long")
cpdef tuple answer_fields(bytes message, bint is_private)

cdef bytes _decoded(bytes octets)
