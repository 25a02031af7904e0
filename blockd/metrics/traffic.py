"""How often names were asked for lately: a count-min sketch (Cormode and Muthukrishnan, 2005), in shared memory only.

It holds no client, no name and no single question: a sample of questions is counted in cells that a keyed hash chooses,
for each suffix of the name, so that a name's cells count questions for it and for all names under it. Collisions make
an estimate too large, never too small. All cells are halved every HALF_LIFE.

A row is WIDTH * DEPTH cells of 32 bits, then the number of questions noted. Only the process that has a row counts in
it; what it counts during a halving may be lost.
"""

from __future__ import annotations

import base64
import math
import zlib
from collections.abc import Mapping
from dataclasses import dataclass

from siphash24 import siphash13

from blockd.metrics.shared_rows import SharedRows

DEPTH = 4  # cells for each suffix: an estimate is the smallest of them
WIDTH = 1 << 16  # cells for each of these; 16 bits of one hash choose
HALF_LIFE = 600.0  # seconds: questions older than an hour hardly count
MAX_SUFFIXES = 16  # of one name, from the root down; listed names have fewer labels
GAP_BITS = 7  # the next question noted is 1 to 128 questions away, 64.5 on average: the cost is spread over those
ROW = WIDTH * DEPTH + 16  # 32-bit cells; the row's end keeps two rows from sharing a cache line
NOTED = WIDTH * DEPTH
_HALVED = int.from_bytes(b"\xff\xff\xff\x7f" * ROW, "little")


class TrafficRow:
    """One process's cells; `key` is the hash's."""

    def __init__(self, cells: memoryview, key: bytes) -> None:
        self.cells = cells
        self.key = key
        self._left = 1

    def pass_by(self, name: bytes) -> None:
        """Note one in 64 questions; `name` is the key of the name that was asked for."""
        self._left -= 1
        if self._left > 0:
            return
        cells = self.cells
        hashed = end = suffixes = 0
        while end < len(name) and suffixes < MAX_SUFFIXES:
            end += 1 + name[end]
            suffixes += 1
            hashed = _hash(self.key, name[:end])
            for place in _places(hashed):
                cells[place] += 1
        cells[NOTED] += 1
        self._left = 1 + (hashed >> 64 - GAP_BITS)


class Traffic:
    """A row for each of so many workers; `key`, 16 octets, is chosen at each start."""

    def __init__(self, workers: int, key: bytes) -> None:
        self._key = key
        self._rows = SharedRows(ROW, "I", workers)

    def grow(self, rows: int) -> None:
        """Have at least so many rows; only processes that are forked later see the new ones."""
        self._rows.grow(rows)

    def row(self, number: int) -> TrafficRow:
        """Return a row, which one worker counts in at a time."""
        return TrafficRow(self._rows[number], self._key)

    def halve(self) -> None:
        """Halve all cells; a row is treated as one long number, which takes a millisecond."""
        for row in self._used():
            halved = int.from_bytes(row, "little") >> 1 & _HALVED
            row[:] = memoryview(halved.to_bytes(ROW * 4, "little")).cast("I")

    def _used(self) -> list[memoryview]:
        """Return the rows in which anything was noted: the others take no memory, unless they are read."""
        return [row for row in self._rows if row[NOTED]]

    def sketch(self) -> Sketch:
        """Return the sum of all rows."""
        total = sum(int.from_bytes(row, "little") for row in self._used())  # no cell comes near 32 bits
        return Sketch(self._key, total.to_bytes(ROW * 4 + 8, "little")[: ROW * 4])


@dataclass(frozen=True, slots=True)
class Sketch:
    """All cells at one moment."""

    key: bytes
    octets: bytes

    @property
    def noted(self) -> int:
        """How many questions were noted in it."""
        return self._cell(NOTED)

    @property
    def noise(self) -> float:
        """How much an estimate may be too large, in questions: exceeded for about 1 in 50 names."""
        counted = memoryview(self.octets).cast("I")[:WIDTH]
        return math.e / WIDTH * sum(counted)

    def estimate(self, name: bytes) -> int:
        """Return how many of the noted questions were for a name or those under it, at most."""
        return min(map(self._cell, _places(_hash(self.key, name))))

    def to_json(self) -> dict[str, object]:
        """Return it as JSON values; `from_json` reads them back."""
        return {"key": self.key.hex(), "cells": base64.b64encode(zlib.compress(self.octets, 1)).decode("ascii")}

    @classmethod
    def from_json(cls, values: Mapping[str, object]) -> Sketch:
        """Return the sketch that `to_json` wrote; raises ValueError for anything else."""
        try:
            key = bytes.fromhex(str(values["key"]))
            octets = zlib.decompressobj().decompress(base64.b64decode(str(values["cells"])), ROW * 4 + 1)
        except (KeyError, zlib.error) as error:
            raise ValueError("not a sketch") from error
        if len(key) != 16 or len(octets) != ROW * 4:
            raise ValueError("not a sketch of this version")
        return cls(key, octets)

    def _cell(self, place: int) -> int:
        return int.from_bytes(self.octets[place * 4 : place * 4 + 4], "little")


def _hash(key: bytes, name: bytes) -> int:
    return int(siphash13(name, key=key).intdigest()) & 0xFFFFFFFFFFFFFFFF  # the library's is signed


def _places(hashed: int) -> tuple[int, int, int, int]:
    """Return the places of a suffix's cells, one in each WIDTH of them."""
    return (
        hashed & 0xFFFF,
        WIDTH + (hashed >> 16 & 0xFFFF),
        2 * WIDTH + (hashed >> 32 & 0xFFFF),
        3 * WIDTH + (hashed >> 48),
    )
