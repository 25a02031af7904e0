"""A temporary file for what does not fit into memory while a zone is read.

It has no name, and is freed with the last reference.
"""

from __future__ import annotations

import contextlib
import tempfile
from typing import IO

from blockd.errors import FeedRefused, cause_of

_BUFFER = 64 * 1024  # octets


class SpoolFile:
    """Octets are appended and read back; `of` says in refusals what they are. Raises FeedRefused("fault")."""

    def __init__(self, of: str) -> None:
        self._of = of
        self._file: IO[bytes] | None = None
        self._end = 0

    def __del__(self) -> None:
        if self._file is not None:
            with contextlib.suppress(OSError):
                self._file.close()

    def append(self, octets: bytes) -> int:
        """Append octets; return the offset at which they begin."""
        start = self._end
        try:
            if self._file is None:
                self._file = tempfile.TemporaryFile(prefix="blockd-", buffering=_BUFFER)  # noqa: SIM115 - lives on
            self._file.seek(start)
            self._file.write(octets)
            self._file.flush()
        except OSError as error:
            raise self._fault(error) from error
        self._end += len(octets)
        return start

    def read(self, start: int, size: int) -> bytes:
        """Return octets that were appended."""
        assert self._file is not None  # noqa: S101 - something was appended
        try:
            self._file.seek(start)
            octets = self._file.read(size)
        except OSError as error:
            raise self._fault(error) from error
        if len(octets) != size:
            raise self._fault(OSError("it became shorter"))
        return octets

    def _fault(self, error: OSError) -> FeedRefused:
        return FeedRefused(
            "fault",
            f"The temporary file for {self._of} cannot be used ({cause_of(error)}): nothing is taken. Is the disk "
            "full?",
        )
