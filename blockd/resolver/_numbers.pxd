# Made by `make numbers` of what tests/shared_numbers.py names in Python: change it there.

cdef enum:
    STALE_TTL = 30
    REFRESH_SHARE = 10
    REFRESH_USES = 2
    MIN_REFRESHED = 10
    KEYS_PER_TURN = 1000
    MAX_REFRESHES = 1024
    MAX_IN_FLIGHT = 8192
    MAX_EXTRA_NAMES = 16
    MAX_EXTRA_ADDRESSES = 64
    MAX_DATAGRAM = 1472
    MAX_NAMES = 128
    MAX_POINTERS = 127
    FIXED = 10
    MAX_AUTHORITIES = 256
    SECRET = 16
    UNJUDGED_OPTION = 65002
    MAX_STRAYS = 32
