# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""The names of a ruleset's records that are below some others, in C: the twin of `under.py`, with the same result."""

from libc.stdint cimport uint8_t, uint32_t, uint64_t

from blockd.names._numbers cimport MAX_LABEL
from blockd.ruleset._numbers cimport HOLE
from blockd.ruleset._record cimport Record, read_record
from blockd.ruleset.building._sieve cimport SIEVE, fill_sieve, sieved

from blockd.errors import RulesetError


def names_under(const uint8_t[::1] records not None, frozenset tops not None, uint64_t most):
    """Return the keys in a section of records that are strictly below one of `tops`; None if they are over `most`."""
    cdef uint8_t sieve[SIEVE]
    cdef const uint8_t *base
    cdef uint64_t at = 0, size = records.shape[0], count = 0
    cdef Record record
    cdef uint32_t end, mark
    found = []
    if size == 0:
        return found
    fill_sieve(sieve, tops)
    base = &records[0]
    while at < size:
        if not read_record(base, size, &at, &record):
            raise RulesetError("an entry lies outside of its section")
        if record.place == HOLE or record.key[0] > MAX_LABEL:
            continue
        end = 1 + record.key[0]
        while end < record.length:
            mark = sieved(record.key, end)
            if sieve[mark >> 3] >> (mark & 7) & 1 and (<const char *>record.key)[:end] in tops:
                found.append((<const char *>record.key)[:record.length])
                count += 1
                if count > most:
                    return None
                break
            end += 1 + record.key[end]
    return found
