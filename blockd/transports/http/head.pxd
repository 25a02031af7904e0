# The types with which head.py is compiled.

cimport cython

from blockd.transports.http.request cimport HttpRequest


@cython.final
cdef class Http1Head:
    cdef readonly HttpRequest request
    cdef public Py_ssize_t length
    cdef public bint is_chunked
    cdef public bint keeps
    cdef public bint expects


@cython.locals(
    head=Http1Head, request=HttpRequest, line=bytes, name=bytes, value=bytes, target=bytes, hosts=int, is_old=bint
)
cpdef Http1Head read_head(bytes octets, bytes front_header)

cdef _take_connection(Http1Head head, bytes value, bint is_old)
