# Made by `make numbers` of what tests/shared_numbers.py names in Python: change it there.

cdef enum:
    NOT_NOW = -1
    UNUSABLE = -2
