from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

from blockd.resolver.engine._outbox cimport Peer

cdef enum:
    HASH_PLACES = 8192
    MAX_WAITERS = 1000  # of one question
    MAX_WAITING = 20000  # in all: with their packets a few megabytes
    MAX_SOCKETS = 64
    RANDOM_WORDS = 64  # 256 octets, which the kernel returns completely or not at all
    MAX_PACKET = 1232  # octets of a question that is kept; a longer one goes to the pipeline

cdef struct Waiter:
    Waiter *next
    Peer peer
    int descriptor
    uint32_t size
    uint8_t packet[1]

cdef struct Flight:
    Flight *chain
    Flight *sooner
    Flight *later
    uint64_t hash
    double sent  # by the monotonic clock, seconds
    Waiter *first
    Waiter *last
    int waiters
    int socket
    uint16_t id
    uint16_t qtype
    uint8_t do_
    uint8_t cd
    uint32_t key_size
    uint32_t question_size
    uint8_t key[256]
    uint8_t question[264]  # as it was sent


cdef class Flights:
    cdef Flight *by_id[65536]
    cdef Flight *by_hash[HASH_PLACES]
    cdef Flight *soonest
    cdef Flight *latest
    cdef readonly int count
    cdef readonly uint64_t launched  # since the start
    cdef readonly int waiting
    cdef int sockets
    cdef int resting  # the socket that nothing is sent from, so that it can be replaced; -1 for none
    cdef int descriptors[MAX_SOCKETS]
    cdef int flying[MAX_SOCKETS]  # flights from each socket
    cdef int strays[MAX_SOCKETS]  # messages that answered no question, while some were in flight
    cdef bint refused[MAX_SOCKETS]  # reported by the network, when something was sent
    cdef readonly bint any_refused
    cdef uint32_t random[RANDOM_WORDS]
    cdef int random_left

    cdef Flight *find(self, uint64_t hashed, const uint8_t *key, uint32_t size, uint16_t qtype, bint do_, bint cd) noexcept nogil
    cdef Flight *launch(self, uint64_t hashed, const uint8_t *key, uint32_t size, uint16_t qtype, bint do_, bint cd, double now) noexcept nogil
    cdef bint join(self, Flight *flight, const Peer *peer, int descriptor, const uint8_t *packet, uint32_t size) noexcept nogil
    cdef Flight *landed(self, int socket, const uint8_t *message, uint32_t size) noexcept nogil
    cdef Flight *_answered(self, int socket, const uint8_t *message, uint32_t size) noexcept nogil
    cdef void unlink(self, Flight *flight) noexcept nogil
    cdef void release(self, Flight *flight) noexcept nogil
    cdef int _chosen(self, uint32_t random) noexcept nogil
    cdef bint _draw(self, uint32_t *random) noexcept nogil
