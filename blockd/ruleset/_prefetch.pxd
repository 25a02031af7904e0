# Calling for memory before it is needed, so that several waits for it are one.

cdef extern from *:
    """
    #define blockd_prefetch(address) __builtin_prefetch(address)
    """
    void blockd_prefetch(const void *address) noexcept nogil
