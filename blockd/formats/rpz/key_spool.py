"""Keys sorted into groups while a zone is read once; few of them are in memory, the rest in a temporary file."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from typing import IO

from blockd.errors import FeedRefused, cause_of

MAX_IN_MEMORY = 200_000  # keys: some twenty megabytes
_READ = 64 * 1024  # octets read back at a time


class KeySpool:
    """Groups of keys; each has at most 255 octets. The file has no name, and is freed with the last reference."""

    def __init__(self) -> None:
        self._waiting: dict[int, list[bytes]] = {}
        self._count = 0
        self._written: dict[int, list[tuple[int, int]]] = {}  # of each group: where its pieces begin, and their sizes
        self._file: IO[bytes] | None = None
        self._end = 0

    def __del__(self) -> None:
        if self._file is not None:
            with contextlib.suppress(OSError):
                self._file.close()

    def put(self, group: int, key: bytes) -> None:
        """Add a key to a group; raises FeedRefused("fault") if the file cannot be written."""
        waiting = self._waiting.get(group)
        if waiting is None:
            waiting = self._waiting[group] = []
        waiting.append(key)
        self._count += 1
        if self._count > MAX_IN_MEMORY:
            self._write()

    @property
    def groups(self) -> list[int]:
        """The groups that have keys, in ascending order."""
        return sorted(self._waiting.keys() | self._written.keys())

    def keys(self, group: int) -> Iterator[bytes]:
        """Yield a group's keys in the order in which they were added; raises as `put` does. It may be called again."""
        for start, size in self._written.get(group, ()):
            octets = self._read(start, size)
            at = 0
            while at < size:
                end = at + 1 + octets[at]
                yield octets[at + 1 : end]
                at = end
        yield from self._waiting.get(group, ())

    def _write(self) -> None:
        try:
            if self._file is None:
                self._file = tempfile.TemporaryFile(prefix="blockd-", buffering=_READ)  # noqa: SIM115 - lives on
            self._file.seek(self._end)
            for group, keys in self._waiting.items():
                octets = b"".join([b"%c%b" % (len(key), key) for key in keys])
                self._file.write(octets)
                self._written.setdefault(group, []).append((self._end, len(octets)))
                self._end += len(octets)
            self._file.flush()
        except OSError as error:
            raise _fault(error) from error
        self._waiting.clear()
        self._count = 0

    def _read(self, start: int, size: int) -> bytes:
        assert self._file is not None  # noqa: S101 - something was written
        try:
            self._file.seek(start)
            octets = self._file.read(size)
        except OSError as error:
            raise _fault(error) from error
        if len(octets) != size:
            raise _fault(OSError("it became shorter"))
        return octets


def _fault(error: OSError) -> FeedRefused:
    return FeedRefused(
        "fault",
        f"The temporary file for a zone's names cannot be used ({cause_of(error)}): nothing is taken. Is the "
        "disk full?",
    )
