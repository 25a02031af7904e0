# Made by `make numbers` of what tests/shared_numbers.py names in Python: change it there.

cdef enum:
    MAX_IN_FLIGHT = 8192
    MAX_DATAGRAM = 1472
    MAX_RECORDS = 4096
    MAX_POINTERS = 127
    REACH = 16384
    MAX_NAMES = 16
    MAX_NAME_LABELS = 128
    MAX_ADDRESSES = 256
    MAX_EXTRAS = 16
    MAX_EXTRA_ADDRESSES = 64
    MAX_ERROR_TEXT = 200
    MAX_ERRORS = 3
    FIXED = 10
    MAX_AUTHORITIES = 256
    MAX_POINTER = 16383
    SECRET = 16
    UNJUDGED_OPTION = 65002
    MAX_STRAYS = 32
