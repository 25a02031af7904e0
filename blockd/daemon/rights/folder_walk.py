"""The way to a folder, from / on, each folder by the descriptor of the one before: an exchange meanwhile is seen."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path

MAX_LINKS = 40  # links followed on the way, as the kernel does
MODE_MADE = 0o755  # of a folder made on the way: a user has to get through, whatever the umask


class FolderWalk:
    """Goes to `folder` once, as it is iterated over; `descriptor` is that of the folder reached so far.

    Descriptors are opened with `flags`, and closed by `stack`.
    """

    def __init__(self, folder: Path, flags: int, stack: contextlib.ExitStack, *, makes: bool = False) -> None:
        """With `makes`, folders that are missing are made. Raises OSError."""
        self._folder = folder
        self._flags = flags
        self._stack = stack
        self._makes = makes
        self._begin()

    def __iter__(self) -> Iterator[tuple[Path, os.stat_result]]:
        """Yield the folders and links on the way, without the last folder; raises OSError.

        Nothing is looked at, or made, behind what was yielded last.
        """
        names = list(self._folder.absolute().parts[:0:-1])  # the next one last
        links = 0
        while names:
            yield self._place, os.fstat(self.descriptor)
            name = names.pop()
            found = self._look(name)
            if found is not None and stat.S_ISLNK(found.st_mode):
                yield self._place / name, found
                links += 1
                if links > MAX_LINKS:
                    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(self._place / name))
                target = Path(os.readlink(name, dir_fd=self.descriptor))
                names += reversed([part for part in target.parts if part != "/"])
                if target.is_absolute():
                    self._begin()
            else:
                self._go(name, is_there=found is not None)

    def _begin(self) -> None:
        self._place = Path("/")
        self.descriptor = os.open("/", self._flags)
        self._stack.callback(os.close, self.descriptor)

    def _look(self, name: str) -> os.stat_result | None:
        try:
            return os.lstat(name, dir_fd=self.descriptor)
        except FileNotFoundError:
            if not self._makes:
                raise
            return None

    def _go(self, name: str, *, is_there: bool) -> None:
        if not is_there:
            os.mkdir(name, MODE_MADE, dir_fd=self.descriptor)
        below = os.open(name, self._flags, dir_fd=self.descriptor)
        self._stack.callback(os.close, below)
        if not is_there:
            os.fchmod(below, MODE_MADE)
        self._place /= name
        self.descriptor = below
