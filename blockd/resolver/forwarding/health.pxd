# The types with which health.py is compiled.

cimport cython

cdef double SMOOTHING, DEVIATION_SMOOTHING, DEVIATIONS, FIRST_PATIENCE, MIN_PATIENCE, MAX_PATIENCE, ALONE
cdef double HEDGING_SHARE, MAX_ALLOWANCE, FIRST_PROBE, LAST_PROBE, HEALTHY_PROBE, NEAR, NEARLY, NEVER_HEARD
cdef double FAILURE_KEPT, MAX_FAILURE_KEPT


cdef class Health:
    cdef readonly int state
    cdef readonly double begun
    cdef readonly double since
    cdef readonly double smoothed
    cdef readonly double deviation
    cdef readonly double distance
    cdef readonly double heard
    cdef readonly double allowance
    cdef readonly int refusals
    cdef readonly int probes
    cdef readonly double next_probe
    cdef readonly double probed
    cdef readonly unsigned long long asked
    cdef readonly unsigned long long answered
    cdef public unsigned long long late
    cdef readonly unsigned long long hedged
    cdef public int in_flight
    cdef readonly list failures

    cpdef void know(self, int state, double since, double heard, double smoothed, double distance) noexcept
    cpdef void note_asked(self) noexcept
    cpdef void note_answer(self, double now, double seconds, bint is_probe=*, bint is_first=*) noexcept
    cpdef void note_resolved(self, double now) noexcept
    cpdef void note_tried(self, double now) noexcept
    cpdef note_failure(self, int kind, double now)
    cpdef void note_probe_answer(self, double now, double seconds, bint resolves) noexcept
    cpdef void note_probe_silence(self, double now) noexcept
    cpdef void note_probe_refusal(self, double now) noexcept
    cpdef bint is_probe_due(self, double now, bint is_urgent=*) noexcept
    cpdef bint is_heard_since(self, double moment) noexcept
    cpdef double silent_since(self) noexcept
    cpdef double patience(self) noexcept
    cpdef double patience_alone(self, int tries) noexcept
    cpdef bint take_hedge(self) noexcept
    cdef void _worsen(self, int state, double now) noexcept
    cdef void _become(self, int state, double now) noexcept


@cython.locals(nearest=double, limit=double, best=int, best_state=int, index=int, health=Health, is_usable=bint)
cpdef int choose(list upstreams, unsigned int tried)

cpdef double failure_kept(double before) noexcept
