from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

from blockd.resolver._ages cimport Age, Ages
from blockd.resolver.engine._outbox cimport Peer
from blockd.resolver._numbers cimport MAX_ASKED, MAX_IN_FLIGHT, MAX_LATE
from blockd.resolver.forwarding.native._chance cimport Chance
from blockd.resolver.forwarding.native._ports cimport NOWHERE, Ports

cdef enum:
    HASH_PLACES = 16384
    ID_PLACES = 4096  # a few of 65536 IDs share one: the table stays in the processor's cache
    KEPT = 512  # blocks of memory kept for the next flights, and as many for waiters
    ROOM = 384  # octets of a block behind its head, which the name or the packet of nearly all fit into
    MAX_FLIGHTS = MAX_IN_FLIGHT + MAX_LATE + 1
    MAX_WAITERS = 1000  # of one question
    FEW_WAITERS = 2  # of one question, for whom there is room whatever others ask
    MANY_WAITING = MAX_IN_FLIGHT  # in all; if as many wait, only the first few of each question may
    MAX_WAITING = MANY_WAITING + FEW_WAITERS * MAX_IN_FLIGHT  # with their packets some ten megabytes
    MAX_PACKET = 1232  # octets of a question that is kept; a longer one goes to the pipeline
    NUMBERED = -1  # instead of a descriptor: a waiter in Python, known by a number
    CASE_SIZE = 32  # octets: a bit for each octet of a name
    MAX_MEMBERS = 32  # upstreams of a group: as many as there are bits in `Flight.tried`

cdef struct Waiter:
    Waiter *next
    uint64_t number  # of a waiter in Python or over a stream
    Peer peer
    int descriptor  # NUMBERED for a waiter in Python, which has no packet; -2 - transport for one over a stream
    uint32_t keepalive  # how long its connection may be idle, in units of 100 ms, 0 for none
    uint32_t size
    uint8_t packet[1]

# What came of a try.
cdef enum Said:
    SAID_NOTHING = 0
    SAID_RCODE = 1  # with the question, or without
    SAID_TEXT = 2  # what is wrong in words, behind the upstream's name
    SAID_SENTENCE = 3  # the same in a whole sentence
    SAID_UNREACHABLE = 4  # `rcode` is the errno
    SAID_NO_INTERFACE = 5  # the machine does not have that of a link-local address

# Why a question that was answered over UDP is asked again over TCP.
cdef enum Doubt:
    NO_DOUBT = 0
    DOUBT_TRUNCATED = 1
    DOUBT_CASE = 2
    DOUBT_COOKIE = 3
    DOUBT_IMITATED = 4

cdef struct Ear:
    # Where an answer is listened for: at a port or, with NOWHERE, on the upstream's stream.
    Age age  # among those at the same port
    Ear *same_place  # whose IDs share a place of the table
    Try *of
    int place
    uint16_t id
    bint is_open

cdef struct Try:
    Flight *flight
    double sent  # by the monotonic clock, seconds
    Ear port
    Ear stream
    char *text  # of what is said, NULL for none
    uint32_t text_size
    uint16_t rcode
    uint16_t upstream
    uint8_t member  # the upstream's index in its group
    uint8_t said
    uint8_t doubt
    bint is_sent
    bint is_open  # its answer is listened for
    bint is_heard  # some message that answers it has come, if it did not do
    bint is_plain  # sent without OPT to see whether that helps
    bint has_opt
    bint has_cookie
    bint had_bad_cookie
    bint is_mixed  # the case of its name is `cases`
    uint8_t cases[CASE_SIZE]

cdef struct Asker:
    # Who asks, see `floods.py`: an IPv4 address, or the upper half of an IPv6 one; none for blockd itself.
    uint8_t size
    uint8_t octets[8]

cdef struct Flight:
    Age age
    Flight *chain
    uint64_t hash
    double started  # by the monotonic clock, seconds, as all below
    double next  # when it is gone on with
    double stale_at  # when its waiters may get a stale answer
    double deadline
    double ends  # when its answer is no longer listened for
    double due  # the first of these
    int heap_at
    Waiter *first
    Waiter *last
    int waiters
    int group
    int tries_made
    uint32_t tried  # a bit for each member of the group
    bint is_late  # nobody waits for it
    bint is_probe
    bint is_resolved  # it has been answered
    bint is_struck  # a try came to nothing, and it is to be gone on with
    int doubted  # how far it is counted among those below its domain that take long, see `Askers`
    int counted  # and among those that fail
    Asker asker
    bint is_about_name  # some upstream failed for this question, and not for every one
    int again  # the member that is asked again at `next`, NOWHERE if patience ends then
    uint8_t *errors  # what an upstream said about its SERVFAIL, NULL if none did
    uint32_t errors_size
    uint16_t qtype
    uint8_t do_
    uint8_t cd
    uint32_t key_size
    uint32_t question_size
    Try tries[MAX_ASKED]
    uint8_t *key
    uint8_t *question  # in lower case
    uint8_t octets[1]


cdef class Flights:
    cdef Ear *by_id[ID_PLACES]
    cdef Flight *by_hash[HASH_PLACES]
    cdef Ages ages  # of those that somebody may wait for
    cdef Ages late_ages
    cdef Flight **heap  # by `due`
    cdef readonly int heap_size
    cdef readonly int count  # that somebody may wait for
    cdef readonly int late
    cdef readonly int waiting
    cdef Flight *spare_flights  # linked by `chain`
    cdef int spare_flight_count
    cdef Waiter *spare_waiters
    cdef int spare_waiter_count
    cdef int *flying  # clients' questions of which nothing has come yet, by upstream
    cdef readonly uint64_t launched  # since the start
    cdef Ports ports
    cdef Chance chance

    cdef Flight *find(self, uint64_t hashed, const uint8_t *key, uint32_t size, uint16_t qtype, bint do_, bint cd) noexcept nogil
    cdef Flight *launch(self, uint64_t hashed, const uint8_t *key, uint32_t size, uint16_t qtype, bint do_, bint cd, double now) noexcept nogil
    cdef bint join(self, Flight *flight, const Peer *peer, int descriptor, const uint8_t *packet, uint32_t size, uint64_t number, uint32_t keepalive) noexcept nogil
    cdef bint listen(self, Ear *ear, Try *of, int place) noexcept nogil
    cdef void leave(self, Ear *ear) noexcept nogil
    cdef bint mix(self, Try *one) noexcept nogil
    cdef void open(self, Try *one) noexcept nogil
    cdef void hush(self, Try *one) noexcept nogil
    cdef bint hear(self, Try *one) noexcept nogil
    cdef Try *matched(self, int place, int upstream, uint16_t id) noexcept nogil
    cdef int open_tries(self, const Flight *flight) noexcept nogil
    cdef void plan(self, Flight *flight, double due) noexcept nogil
    cdef void retire(self, Flight *flight) noexcept nogil
    cdef void dismiss(self, Flight *flight) noexcept nogil
    cdef void release(self, Flight *flight) noexcept nogil
    cdef void tell(self, Try *one, const char *text, uint32_t size) noexcept nogil
    cdef void _unlink(self, Flight *flight) noexcept nogil
    cdef void free_waiter(self, Waiter *waiter) noexcept nogil
    cdef void _free(self, Flight *flight) noexcept nogil
    cdef void _rise(self, int at) noexcept nogil
    cdef void _sink(self, int at) noexcept nogil
