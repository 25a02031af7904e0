from blockd.resolver.engine._outbox cimport Peer

cdef address_of(const Peer *peer)
cdef client_text(const Peer *peer)
cdef address_into(Peer *peer, str host)
cdef ancillary_of(const Peer *peer)
