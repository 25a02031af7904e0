"""Writing a large text to a file: in big pieces, with its digest computed by another thread."""

from __future__ import annotations

import hashlib
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import BinaryIO

_PIECE = 1 << 20  # octets written and digested at once: few enough for a processor's cache, enough to use two threads


class TextWriter:
    """Writes to `file`; a context manager, at whose end its thread has ended. `size` is the octets taken so far."""

    def __init__(self, file: BinaryIO) -> None:
        self.size = 0
        self._file = file
        self._pieces: list[bytes | memoryview] = []
        self._waiting = 0  # octets in them
        self._digest = hashlib.sha256()
        self._thread = ThreadPoolExecutor(1)
        self._digesting: Future[None] | None = None

    def __enter__(self) -> TextWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._thread.shutdown()

    def add(self, octets: bytes | memoryview) -> None:
        """Take the next octets; a view must stay unchanged until `finish` returns."""
        self.size += len(octets)
        if len(octets) >= _PIECE:
            self._write()
            for at in range(0, len(octets), _PIECE):
                self._pieces.append(octets[at : at + _PIECE])
                self._write()
            return
        self._pieces.append(octets)
        self._waiting += len(octets)
        if self._waiting >= _PIECE:
            self._write()

    def finish(self) -> str:
        """Write what is left; return the SHA-256 of all, in hexadecimal."""
        self._write()
        if self._digesting is not None:
            self._digesting.result()
        return self._digest.hexdigest()

    def _write(self) -> None:
        piece = b"".join(self._pieces)
        self._pieces.clear()
        self._waiting = 0
        if self._digesting is not None:
            self._digesting.result()
        self._digesting = self._thread.submit(self._digest.update, piece)
        self._file.write(piece)
