# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Outgoing answers, gathered and sent with one system call."""

from libc.stdint cimport uint8_t, uint32_t
from libc.string cimport memcpy, memset

from blockd.resolver.engine._sockets cimport (
    CMSG_DATA, CMSG_FIRSTHDR, IPPROTO_IP, MSG_DONTWAIT, cmsghdr, msghdr, sendmmsg,
)


cdef class Outbox:
    """Answers that leave by one socket; what the kernel cannot send is lost, as UDP may be."""

    def __cinit__(self):
        cdef int i
        memset(self.headers, 0, sizeof(self.headers))
        for i in range(BATCH):
            self.vectors[i].iov_base = self.buffers[i]
            self.headers[i].msg_hdr.msg_iov = &self.vectors[i]
            self.headers[i].msg_hdr.msg_iovlen = 1
            self.headers[i].msg_hdr.msg_name = &self.peers[i].address

    cdef uint8_t *room(self, int descriptor) noexcept nogil:
        """Return a buffer of OUT_SIZE octets for the next answer, which is sent through `descriptor`."""
        if self.count == BATCH or (self.count and self.descriptor != descriptor):
            self.flush()
        self.descriptor = descriptor
        return self.buffers[self.count]

    cdef void put(self, const Peer *peer, uint32_t size) noexcept nogil:
        """Queue the answer that was written to the buffer returned last."""
        cdef msghdr *header = &self.headers[self.count].msg_hdr
        cdef Peer *to = &self.peers[self.count]
        cdef cmsghdr *control
        memcpy(&to.address, &peer.address, peer.address_size)
        header.msg_namelen = peer.address_size
        self.vectors[self.count].iov_len = size
        header.msg_control = NULL
        header.msg_controllen = 0
        if peer.control_size:
            memcpy(to.control, peer.control, peer.control_size)
            header.msg_control = to.control
            header.msg_controllen = peer.control_size
            control = CMSG_FIRSTHDR(header)
            if control != NULL and control.cmsg_level == IPPROTO_IP:
                memset(CMSG_DATA(control), 0, 4)  # the interface is left to routing, which may choose another
        self.count += 1

    cdef void flush(self) noexcept nogil:
        """Send all that is queued."""
        cdef int sent = 0
        cdef int done
        while sent < self.count:
            done = sendmmsg(self.descriptor, &self.headers[sent], self.count - sent, MSG_DONTWAIT)
            sent += done if done > 0 else 1  # the first one cannot be sent: continue with the others
        self.count = 0
