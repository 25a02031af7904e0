# Made by `make numbers` of what tests/shared_numbers.py names in Python: change it there.

cdef enum:
    SLOTS = 10
    BUCKET_SIZE = 64
    OFFSETS_AT = 20
    USED_AT = 60
    PUSHED_AT = 61
    FILL = 8
    MAX_PROBES = 64
    ENTRY_SIZE = 5
    MAX_CLAIMS = 1048576
    MEANS_EMPTY = 1
    SCOPE_BITS = 2
    MAX_SALTS = 64
    MIN_HASHED_LABELS = 2
    MAX_HASHED_LABELS = 16
    STATES_AT = 16
    EPOCH_AT = 8
    OPERATOR = 0
    FULL = 3
    NONE = 0

cdef extern from *:
    """
    #define BLOCKD_HOLE 4294967295U
    """
    const unsigned int HOLE "BLOCKD_HOLE"
