# Prefetching of memory, so that several cache misses overlap.

cdef extern from *:
    """
    #define blockd_prefetch(address) __builtin_prefetch(address)
    """
    void blockd_prefetch(const void *address) noexcept nogil
