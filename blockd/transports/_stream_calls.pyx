# cython: boundscheck=False
"""Reading and writing sockets without waiting, by their descriptors; see `blockd.transports.stream_calls`."""

from libc.errno cimport EAGAIN, EINTR, errno

from blockd.transports._numbers cimport NOT_NOW, UNUSABLE

cdef extern from "sys/socket.h" nogil:
    int MSG_DONTWAIT
    int MSG_NOSIGNAL
    ssize_t recv(int descriptor, void *octets, size_t size, int flags)
    ssize_t send(int descriptor, const void *octets, size_t size, int flags)


cdef class NativeStreamCalls:
    """Calls of sockets, all of which read into one buffer of `size` octets, at least one."""

    def __init__(self, Py_ssize_t size):
        self.incoming = memoryview(bytearray(size))
        self._octets = self.incoming

    cpdef Py_ssize_t receive(self, sock, int descriptor) except -3:
        """Read what is there, as `StreamCalls.receive` does."""
        cdef ssize_t got = recv(descriptor, &self._octets[0], self._octets.shape[0], MSG_DONTWAIT)
        if got >= 0:
            return got
        return NOT_NOW if errno == EAGAIN or errno == EINTR else UNUSABLE

    cpdef Py_ssize_t send(self, sock, int descriptor, bytes octets) except -3:
        """Send as `StreamCalls.send` does."""
        cdef ssize_t taken = send(descriptor, <const char *>octets, len(octets), MSG_DONTWAIT | MSG_NOSIGNAL)
        if taken >= 0:
            return taken
        return 0 if errno == EAGAIN or errno == EINTR else UNUSABLE
