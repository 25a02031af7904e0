from libc.stdint cimport uint8_t, uint32_t

from blockd.resolver.engine._cache cimport Entry

cdef Entry *read_response(
    const uint8_t *message, uint32_t size, uint32_t question_size, const uint8_t *key, uint32_t key_size,
    uint32_t *lifetime,
) noexcept nogil
