from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

from blockd.resolver.forwarding.native._flights cimport Flights, Try
from blockd.resolver.forwarding.native._ports cimport Ports
from blockd.resolver.forwarding.native._replies cimport Extras, Fit
from blockd.resolver.forwarding.native._system cimport epoll_event
from blockd.resolver.forwarding.native._wording cimport Remote

cdef enum:
    BUFFER = 65536
    READY = 128  # sockets that are noted as ready at once, of which one message each is read


cdef class Links:
    cdef readonly Ports ports
    cdef readonly Flights flights
    cdef readonly int epoll
    cdef public bint is_started  # somebody reads `epoll` all the time
    cdef int timer
    cdef bint is_fast  # the timer
    cdef bint is_awake  # the timer goes off at once, since something is left to be done
    cdef double turn_ends  # when what is left is for the next turn
    cdef epoll_event events[READY]
    cdef int ready  # of these
    cdef int taken  # how many of these have been read
    cdef double busy  # when something was in flight last
    cdef double next_renewal
    cdef list healths  # of the upstreams
    cdef list _texts
    cdef object _ask_stream_of
    cdef Remote *remotes
    cdef int remote_count
    cdef bint mixed_case
    cdef bint cookies
    cdef uint8_t buffer[BUFFER]

    cdef int answered(self, Try *one, const uint8_t *message, uint32_t size, bint is_alone, double now) except -1
    cdef int failed(self, Try *one, int kind, double now) except -1
    cdef int undone(self, Try *one, double now) except -1
    cdef int tick(self, double now) except -1
    cpdef void note_in_flight(self) noexcept
    cdef int drain(self, double now) except -1
    cdef int give_up_refused(self, double now) except -1
    cdef bint send(self, Try *one, double now) except *
    cdef bint stop_doubting(self, Try *one, double now) except *
    cdef bint _send_datagram(self, Try *one) noexcept nogil
    cdef bint _send_on_stream(self, Try *one, int doubt) except *
    cdef uint32_t _write(self, const Try *one, uint16_t id, uint8_t *message) noexcept nogil
    cdef int _take(self, int place, const uint8_t *message, uint32_t size, double now) except -1
    cdef int _take_fitting(self, Try *one, Fit fit, int place, const uint8_t *message, uint32_t size, double now) except -1
    cdef int _note_stray(self, int place, double now) except -1
    cdef bint _is_ours(self, const Try *one, const Extras *extras) noexcept nogil
    cdef bint _learn(self, Try *one, const Extras *extras) noexcept nogil
    cdef int _fail_with(self, Try *one, int kind, const char *text, double now) except -1
    cdef void hurry(self) noexcept nogil
    cdef bint is_over(self) noexcept nogil
    cdef void go_on_soon(self) noexcept nogil
