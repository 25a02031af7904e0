# Made by `make numbers` of what tests/shared_numbers.py names in Python: change it there.

cdef enum:
    MAX_LABEL = 63
    MAX_NAME = 255
    MAX_KEY = 254
    MAX_LABELS = 127
    KEY_HASHED = 242
    DIGEST_SIZE = 16
    MAX_SALT = 32
    KEY_IPV4 = 244
    KEY_IPV6 = 246
    KEY_CLIENT_IPV4 = 248
    KEY_CLIENT_IPV6 = 250
    MAPPED_BITS = 96
    MAX_TRANSLATIONS = 16
