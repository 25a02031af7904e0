# The table of recent blocks in C, as `blockd.metrics.recent` has it in Python; both write the same numbers.

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy, memset

from blockd.metrics._numbers cimport (
    CELL, COUNT_AT, FIRST_AT, HIDDEN, KEY_AT, LAST_AT, RECENT_CELLS, SEQUENCE_AT, VERSION_AT, WHAT_AT,
)
from blockd.names._numbers cimport KEY_IPV4, KEY_IPV6, MAX_LABEL

cdef extern from *:
    """
    #include <stdint.h>

    /* A reader in another process must not see the sequence number after what it stands for, nor before. */
    static void blockd_turn(uint64_t *sequence)
    {
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
        __atomic_store_n(sequence, *sequence + 1, __ATOMIC_SEQ_CST);
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
    }
    """
    void blockd_turn(uint64_t *sequence) noexcept nogil


cdef inline void note_block(
    uint64_t *cells, uint64_t second, uint64_t version, uint32_t order, uint8_t action, int transport,
    const uint8_t *key, uint32_t size, bint is_hidden,
) noexcept nogil:
    """Note a hit, see `blockd.metrics.recent.note_block`."""
    cdef uint32_t hashed = 2166136261U, i
    cdef uint64_t about
    cdef uint64_t *cell
    if is_hidden or (size and key[0] > MAX_LABEL and key[0] != KEY_IPV4 and key[0] != KEY_IPV6):
        is_hidden, size = True, 0
    for i in range(size):
        hashed = (hashed ^ key[i]) * 16777619U
    hashed = (hashed ^ order) * 16777619U
    hashed = (hashed ^ <uint32_t>transport) * 16777619U
    cell = cells + ((hashed ^ hashed >> 16) & (RECENT_CELLS - 1)) * CELL
    about = order | <uint64_t>action << 32 | <uint64_t>transport << 40 | <uint64_t>size << 48
    if is_hidden:
        about |= <uint64_t>HIDDEN << 56
    if (
        cell[VERSION_AT] == version and cell[WHAT_AT] == about and cell[COUNT_AT]
        and (size == 0 or memcmp(cell + KEY_AT, key, size) == 0)
    ):
        cell[COUNT_AT] += 1
        cell[LAST_AT] = second
    elif cell[FIRST_AT] != second:
        blockd_turn(cell + SEQUENCE_AT)
        cell[COUNT_AT] = 1
        cell[LAST_AT] = cell[FIRST_AT] = second
        cell[VERSION_AT], cell[WHAT_AT] = version, about
        if size:
            memset(cell + KEY_AT + (size - 1) // 8, 0, 8)
            memcpy(cell + KEY_AT, key, size)
        blockd_turn(cell + SEQUENCE_AT)
