from libc.stdint cimport uint8_t, uint32_t

from blockd.ruleset._parties cimport Decision
from blockd.ruleset._table cimport Table

cdef Decision judge_leads(
    Table table, const uint8_t *leads, uint32_t size, int names, int addresses
) noexcept nogil
