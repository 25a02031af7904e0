# The types with which stream_server.py is compiled.

cimport cython

from blockd.transports.admitting_server cimport AdmittingServer


cdef class StreamServer(AdmittingServer):
    cdef readonly object resolver
    cdef readonly object tls
    cdef readonly object unread
    cdef readonly object half_open
    cdef int _places

    @cython.locals(places=int, free=int)
    cpdef double idle_seconds(self) except -1

    cpdef leaves_unread(self, str host, connection)
    cpdef has_read(self, str host, connection)
    cpdef is_half_open(self, str host, connection)
    cpdef is_half_open_no_more(self, str host, connection)
    cpdef happened(self, event, int times=?)
