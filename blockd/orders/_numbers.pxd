# Made by `make numbers` of what tests/shared_numbers.py names in Python: change it there.

cdef enum:
    ACTION_SINKHOLE = 0
    ACTION_NXDOMAIN = 1
    ACTION_NODATA = 2
    ACTION_REFUSED = 3
    ACTION_DROP = 4
    ACTION_CNAME = 5
    ACTION_TCP_ONLY = 6
    ACTION_MONITOR = 7
    ACTION_ALLOW = 8
    ACTION_PASSTHRU = 9
    ACTION_LOCAL = 10
    STATE_PENDING = 0
    STATE_IN_FORCE = 1
    STATE_EXPIRED = 2
    STATE_LIFTED = 3
    SCOPE_EXACT = 1
    SCOPE_SUBDOMAINS = 2
    SCOPE_BOTH = 3
    NO_TIER = 255

cdef extern from *:
    """
    #define BLOCKD_NEVER 4611686018427387904LL
    """
    const long long NEVER "BLOCKD_NEVER"
