"""Rows of numbers in memory that the supervisor shares with its children; more rows are added while these run.

They lie in files in memory (memfd_create(2)) whose size is sealed, so that they can be passed to a program that takes
the place of this one.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import struct
from collections.abc import Iterator, Sequence
from typing import Literal, TypeAlias

Parts: TypeAlias = list[tuple[int, int]]
"""Descriptors, and how many rows lie in each."""

_SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL


class SharedRows:
    """Rows of `width` numbers each, of the type that `code` names as in `struct`; all are 0 at first.

    A row never moves. A child has those that there were when it was forked.
    """

    def __init__(self, width: int, code: Literal["I", "Q"], rows: int) -> None:
        self._width = width
        self._code = code
        self._rows: list[memoryview] = []
        self.parts: Parts = []
        self.grow(rows)

    def grow(self, rows: int) -> None:
        """Have at least so many rows."""
        more = rows - len(self._rows)
        if more > 0:
            descriptor = os.memfd_create("blockd-rows", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
            os.ftruncate(descriptor, more * self._octets)
            fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, _SEALS)
            self._map(descriptor, more)

    def adopt(self, parts: Sequence[tuple[int, int]]) -> None:
        """Have the rows that lie in such files instead of those of now; raises ValueError if they do not fit."""
        if any(os.fstat(descriptor).st_size != rows * self._octets for descriptor, rows in parts):
            raise ValueError("rows of another size")
        wanted = len(self._rows)
        for descriptor, _ in self.parts:
            os.close(descriptor)
        self._rows, self.parts = [], []
        for descriptor, rows in parts:
            self._map(descriptor, rows)
        self.grow(wanted)

    @property
    def _octets(self) -> int:
        return self._width * struct.calcsize(f"={self._code}")

    def _map(self, descriptor: int, rows: int) -> None:
        numbers = memoryview(mmap.mmap(descriptor, rows * self._octets)).cast(self._code)
        self._rows += [numbers[row * self._width : (row + 1) * self._width] for row in range(rows)]
        self.parts.append((descriptor, rows))

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[memoryview]:
        return iter(self._rows)

    def __getitem__(self, row: int) -> memoryview:
        return self._rows[row]
