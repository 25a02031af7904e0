# Made by `make numbers` of what tests/shared_numbers.py names in Python: change it there.

cdef enum:
    TRANSPORT_UDP = 0
    TRANSPORT_TCP = 1
    TRANSPORT_DOT = 2
    TRANSPORT_DOH = 3
    TRANSPORT_HTTP = 4
    TRANSPORT_TLS = 5
    TRANSPORT_PUBLIC = 6
    DEPTH = 4
    WIDTH = 65536
    MAX_SUFFIXES = 16
    GAP_BITS = 7
    NOTED = 262144
