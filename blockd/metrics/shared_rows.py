"""Rows of numbers in memory that the supervisor shares with its children; more rows are added while these run."""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator
from typing import Literal


class SharedRows:
    """Rows of `width` numbers each, of the type that `code` names as in `struct`; all are 0 at first.

    A row never moves. A child has those that there were when it was forked.
    """

    def __init__(self, width: int, code: Literal["I", "Q"], rows: int) -> None:
        self._width = width
        self._code = code
        self._rows: list[memoryview] = []
        self.grow(rows)

    def grow(self, rows: int) -> None:
        """Have at least so many rows."""
        more = rows - len(self._rows)
        if more > 0:
            octets = more * self._width * struct.calcsize(f"={self._code}")
            numbers = memoryview(mmap.mmap(-1, octets)).cast(self._code)
            self._rows += [numbers[row * self._width : (row + 1) * self._width] for row in range(more)]

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[memoryview]:
        return iter(self._rows)

    def __getitem__(self, row: int) -> memoryview:
        return self._rows[row]
