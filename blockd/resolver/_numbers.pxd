# Made by `make numbers` of what tests/shared_numbers.py names in Python: change it there.

cdef enum:
    CLIENT_COOKIE = 8
    MIN_SERVER_COOKIE = 8
    MAX_SERVER_COOKIE = 32
    MAX_ASKED = 3
    MAX_IN_FLIGHT = 8192
    MAX_LATE = 8192
    MAX_STRAYS = 32
    MAX_FAILURES = 16384
    MAX_DATAGRAM = 1472
    MAX_NAMES = 128
    MAX_POINTERS = 127
    LOWEST_PORT = 1024
    SECRET = 16
    UNJUDGED_OPTION = 65002
