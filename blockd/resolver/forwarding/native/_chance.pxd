# Unpredictable numbers from the kernel, drawn in blocks.

from libc.stdint cimport uint8_t, uint32_t

from blockd.resolver.engine._sockets cimport getrandom

cdef enum:
    RANDOM_WORDS = 64  # 256 octets, which the kernel returns completely or not at all

cdef struct Chance:
    int left
    uint32_t words[RANDOM_WORDS]


cdef inline bint draw(Chance *chance, uint32_t *word) noexcept nogil:
    """Write 32 unpredictable bits; False if there are none."""
    if chance.left == 0:
        if getrandom(chance.words, sizeof(chance.words), 0) != sizeof(chance.words):
            return False
        chance.left = RANDOM_WORDS
    chance.left -= 1
    word[0] = chance.words[chance.left]
    return True
