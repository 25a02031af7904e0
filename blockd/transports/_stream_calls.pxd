cdef class NativeStreamCalls:
    cdef readonly object incoming
    cdef unsigned char[::1] _octets

    cpdef Py_ssize_t receive(self, sock, int descriptor) except -3
    cpdef Py_ssize_t send(self, sock, int descriptor, bytes octets) except -3
