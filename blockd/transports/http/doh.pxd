# The types with which doh.py is compiled.

cimport cython

from blockd.transports.http.freshness cimport freshness_seconds
from blockd.transports.http.request cimport HttpRequest


@cython.locals(query=bytes, where=bytes, method=bytes, kind=bytes, message=bytes, part=bytes)
cpdef question_of(HttpRequest request, bytes path)

cdef dict _shared
cdef dict _private

@cython.locals(seconds="long long", known=dict, fields=tuple, control=bytes)
cpdef tuple answer_fields(bytes message, bint is_private)

cdef bytes _decoded(bytes octets)
