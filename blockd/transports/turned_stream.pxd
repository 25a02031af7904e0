# The types with which turned_stream.py is compiled.

from blockd.transports.stream_sockets cimport StreamSocket
from blockd.transports.turns cimport TakingTurns


cdef class TurnedStream(StreamSocket):
    cdef readonly bint has_ended
    cdef readonly bint _is_unread
    cdef TakingTurns _turns
    cdef str _newcomer_from
    cdef bint _half_closed
    cdef bint _has_turn

    cpdef handle_some(self, has_time)
    cpdef bint has_more(self) except -1
    cpdef bint owes(self) except -1
    cpdef end(self)
    cpdef hurry(self)
    cpdef end_when_answered(self)
    cpdef abort(self)
    cpdef bint is_held(self) except -1
    cpdef ask_for_turn(self)

    cpdef str newcomer_from(self)
    cpdef bint work(self, has_time) except -1
    cpdef bint wants_more(self) except -1
    cpdef received_all(self)
    cpdef left_unread(self)
    cpdef taken(self)

    cdef _touch(self)
    cdef _end_if_owed_nothing(self)
