# Made by `make numbers` of what tests/shared_numbers.py names in Python: change it there.

cdef enum:
    MAX_STREAMS = 100
    MAX_MESSAGE = 4096
    MAX_HEADERS = 16384
    FIELD_OVERHEAD = 32
    MAX_FIELDS = 100
    MAX_KEPT = 65536
    NO_ERROR = 0
    REFUSED_STREAM = 7
    CANCEL = 8
    ENHANCE_YOUR_CALM = 11
