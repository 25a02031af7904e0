# The types with which fronted_stream.py is compiled.

from blockd.transports.stream_server cimport StreamServer
from blockd.transports.turned_stream cimport TurnedStream


cdef class FrontedStream(TurnedStream):
    cdef readonly StreamServer server
    cdef readonly str peer
    cdef readonly str host
    cdef readonly bint _is_half_open
    cdef bint _lacks_header
    cdef object _preface

    cdef _enter(self, str host)
    cdef _leave(self)
    cdef _begin_tls(self)
    cdef _after_header(self, octets)
    cdef bint _move(self, str host) except -1
    cdef _refuse_header(self)
