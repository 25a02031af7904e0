# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""The names of a ruleset's records that are below some others, in C: the twin of `under.py`, with the same result."""

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy

from blockd.names._numbers cimport MAX_LABEL
from blockd.ruleset._numbers cimport ENTRY_SIZE, HOLE
from blockd.ruleset.building._sieve cimport SIEVE, fill_sieve, sieved

from blockd.errors import RulesetError


def names_under(const uint8_t[::1] records not None, frozenset tops not None, uint64_t most):
    """Return the keys in a section of records that are strictly below one of `tops`; None if they are over `most`."""
    cdef uint8_t sieve[SIEVE]
    cdef const uint8_t *base
    cdef const uint8_t *key
    cdef uint64_t at = 0, size = records.shape[0], count = 0
    cdef uint32_t place, length, end, mark
    found = []
    if size == 0:
        return found
    fill_sieve(sieve, tops)
    base = &records[0]
    while at < size:
        if at + ENTRY_SIZE > size or base[at + 4] == 0 or at + ENTRY_SIZE + base[at + 4] > size:
            raise RulesetError("an entry lies outside of its section")
        memcpy(&place, base + at, 4)
        length = base[at + 4]
        key = base + at + ENTRY_SIZE
        at += ENTRY_SIZE + length
        if place == HOLE or key[0] > MAX_LABEL:
            continue
        end = 1 + key[0]
        while end < length:
            mark = sieved(key, end)
            if sieve[mark >> 3] >> (mark & 7) & 1 and (<const char *>key)[:end] in tops:
                found.append((<const char *>key)[:length])
                count += 1
                if count > most:
                    return None
                break
            end += 1 + key[end]
    return found
