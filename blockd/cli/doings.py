"""What a command has changed so far, to be said if it is interrupted."""

from __future__ import annotations

import os
from pathlib import Path

MOST = 5  # files named; a publication may have thousands


class Doings:
    """The files that this process changes, and whether the running daemon was asked to change anything."""

    def __init__(self) -> None:
        self._files: dict[Path, tuple[int, int] | None] = {}  # device and inode of what is put there, None for removed
        self._asked = False

    def changing(self, path: Path, made: os.stat_result | None) -> None:
        """Note that a file is about to be replaced, or to be removed; see `blockd.files.observe`."""
        self._files[path] = (made.st_dev, made.st_ino) if made is not None else None

    def asked(self) -> None:
        """Note that the daemon was asked for a change."""
        self._asked = True

    def sentence(self) -> str:
        """Return what was and was not changed until now."""
        if self._asked:
            return "the running daemon was asked already and goes on; `blockd status` shows what it enforces"
        from blockd.files import identity_of  # whose imports a wrong usage need not wait for

        written = [path for path, made in self._files.items() if made is not None and identity_of(path) == made]
        removed = [path for path, made in self._files.items() if made is None and not path.exists()]
        said = [f"{what} {_listed(paths)}" for what, paths in (("written", written), ("removed", removed)) if paths]
        return f"it has {' and '.join(said)}; no other file was changed" if said else "nothing was changed"


def _listed(paths: list[Path]) -> str:
    more = f" and {len(paths) - MOST:,} more" if len(paths) > MOST else ""
    return ", ".join(map(str, paths[:MOST])) + more


_current = Doings()


def begin() -> Doings:
    """Return the record of a command that begins now."""
    global _current
    _current = Doings()
    return _current


def current() -> Doings:
    """Return the record of the command that runs."""
    return _current
