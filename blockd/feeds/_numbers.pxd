# Made by `make numbers` of what tests/shared_numbers.py names in Python: change it there.

cdef enum:
    A = 1
    NS = 2
    CNAME = 5
    SOA = 6
    TXT = 16
    AAAA = 28
    CLASS_IN = 1
    MAX_NAME = 255
    MAX_LABEL = 63
    MAX_TTL = 2147483647
    POINTER = 192
