"""The file of the version in force, held open by the supervisor, for the processes that it forks.

So they can open it while its place cannot be reached: a disk, a mount or somebody's `chmod` may be in the way.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from blockd.files import descriptor_of_kept


class HeldFiles:
    """One file; while processes change over to another, both: what is held keeps its room on the disk if deleted."""

    def __init__(self) -> None:
        self._descriptors: dict[int, int] = {}  # by version

    def hold(self, version: int, path: Path) -> None:
        """Hold the file of a version, too, if it can be opened."""
        if version not in self._descriptors:
            with contextlib.suppress(OSError):
                self._descriptors[version] = descriptor_of_kept(path, os.O_RDONLY)

    def release(self, but: int | None = None) -> None:
        """Hold none but that of one version."""
        for version in [known for known in self._descriptors if known != but]:
            os.close(self._descriptors.pop(version))

    def of(self, version: int) -> int | None:
        """Return the descriptor of a version's file; None if that is not held."""
        return self._descriptors.get(version)
