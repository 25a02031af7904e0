# cython: annotation_typing=False, boundscheck=False, wraparound=False, cdivision=True
"""Moments under keyed hashes, in a table of fixed size: what is counted of networks, of which nothing else is kept.

Both engines share this; `moment_table.pxd` has the types with which it is compiled.
"""

from __future__ import annotations

from array import array

_WAYS = 4  # places that one hash may be in: one is never another's, and the calmest is forgotten for a new one


class MomentTable:
    """Places by hash, each with the moment, in seconds of the monotonic clock, at which what it counts is over."""

    def __init__(self, sets: int) -> None:
        """`sets` is a power of two; there are four times as many places."""
        self.size = sets * _WAYS
        self._sets = sets
        self._tags = array("I", [0]) * self.size
        self.until = array("d", [0.0]) * self.size
        self.is_new = False  # whether the last call of `place` has made the place another's

    def find(self, hashed: int) -> int:
        """Return the place of a hash of 64 bits, -1 if it has none."""
        first = (hashed & (self._sets - 1)) * _WAYS
        tag = hashed >> 32
        for place in range(first, first + _WAYS):
            if self._tags[place] == tag:
                return place
        return -1

    def place(self, hashed: int, now: float) -> int:
        """Return the place of a hash; if it has none, the calmest of its set becomes it, with the moment `now`."""
        found = self.find(hashed)
        self.is_new = found < 0
        if found >= 0:
            return found
        first = (hashed & (self._sets - 1)) * _WAYS
        calmest = first
        for place in range(first + 1, first + _WAYS):
            if self.until[place] < self.until[calmest]:
                calmest = place
        self._tags[calmest] = hashed >> 32
        self.until[calmest] = now
        return calmest
