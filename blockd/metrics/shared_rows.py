"""Rows of numbers in memory that the supervisor shares with its children; more rows are added while these run.

They lie in files in memory (memfd_create(2)) whose size is sealed, so that they can be passed to a program that takes
the place of this one.
"""

from __future__ import annotations

import errno
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
        self._has_files = True  # false once rows lie in no file: those behind them would take their places
        self.grow(rows)

    def grow(self, rows: int) -> None:
        """Have at least so many rows.

        Where files may not be as large (RLIMIT_FSIZE), they lie in none, and cannot be passed to another program.
        """
        more = rows - len(self._rows)
        if more <= 0:
            return
        descriptor = _file_of(more * self._octets) if self._has_files else None
        self._has_files = descriptor is not None
        self._map(descriptor, more)

    def adopt(self, parts: Sequence[tuple[int, int]]) -> None:
        """Have the rows that lie in such files instead of those of now; raises ValueError if they do not fit."""
        if any(os.fstat(descriptor).st_size != rows * self._octets for descriptor, rows in parts):
            raise ValueError("rows of another size")
        wanted = len(self._rows)
        for descriptor, _ in self.parts:
            os.close(descriptor)
        self._rows, self.parts, self._has_files = [], [], True
        for descriptor, rows in parts:
            self._map(descriptor, rows)
        self.grow(wanted)

    @property
    def _octets(self) -> int:
        return self._width * struct.calcsize(f"={self._code}")

    def _map(self, descriptor: int | None, rows: int) -> None:
        memory = mmap.mmap(-1 if descriptor is None else descriptor, rows * self._octets)
        numbers = memoryview(memory).cast(self._code)
        self._rows += [numbers[row * self._width : (row + 1) * self._width] for row in range(rows)]
        if descriptor is not None:
            self.parts.append((descriptor, rows))

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[memoryview]:
        return iter(self._rows)

    def __getitem__(self, row: int) -> memoryview:
        return self._rows[row]


def _file_of(octets: int) -> int | None:
    """Return the descriptor of a file in memory of that size, which is sealed; None if this process may have none."""
    descriptor = os.memfd_create("blockd-rows", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        os.ftruncate(descriptor, octets)
    except OSError as error:
        os.close(descriptor)
        if error.errno != errno.EFBIG:
            raise
        return None
    fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, _SEALS)
    return descriptor
