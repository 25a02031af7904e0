# Made by `make numbers` of what tests/shared_numbers.py names in Python: change it there.

cdef enum:
    MAX_CLIENT_HELLO = 16384
    MAX_RECORD = 16384
    MAX_CIPHERTEXT = 18432
    RECORDS_AT_ONCE = 32
    MAX_EMPTY_RECORDS = 64
    TICKETS = 1
    LIFETIME = 7200
