# Made by `make numbers` of what tests/shared_numbers.py names in Python: change it there.

cdef enum:
    MAX_IN_FLIGHT = 8192
    MAX_LATE = 8192
    MAX_FAILURES = 16384
    MAX_STRAYS = 32
    MAX_DATAGRAM = 1472
    MAX_NAMES = 128
    MAX_POINTERS = 127
    LOWEST_PORT = 1024
    SECRET = 16
    UNJUDGED_OPTION = 65002
