"""Whether the state folder can be written, and whether blockd starts if it cannot."""

from __future__ import annotations

import contextlib
import errno
import os
import time
from collections.abc import Callable
from pathlib import Path

from blockd.files import refused_writes
from blockd.ruleset import Versions

PROBED_EACH = 30.0  # seconds; what is written meanwhile tells it at once


def first_unwritable(folder: Path) -> Path | None:
    """Return the first folder, the state folder itself or one in it, that this process may not write; None if none.

    One that is removed meanwhile, as those of unfinished things are, is none of them.
    """
    if not may_write(folder):
        return folder
    for place, names, _ in os.walk(folder):
        for path in (Path(place, name) for name in names):
            if not may_write(path) and path.exists() and not path.is_symlink():
                return path
    return None


def may_write(folder: Path) -> bool:
    """Return whether this process, by the rights that it has now, may change what is in a folder."""
    return os.access(folder, os.W_OK | os.X_OK, effective_ids=True)


def turns_down(folder: Path) -> bool:
    """Return whether the file system of a folder refuses to write, as it does after an error without saying so before.

    A file without a name is made for that, where the file system knows such files, and is gone at once.
    """
    try:
        os.close(os.open(folder, os.O_TMPFILE | os.O_WRONLY | os.O_CLOEXEC, 0o600))
    except OSError as error:
        return error.errno == errno.EROFS
    return False


class Probe:
    """`turns_down` for who asks again and again, as it would keep a disk from sleeping.

    A file is made every `PROBED_EACH` seconds only, at once if a file could not be written meanwhile, and at each
    question as long as the answer is yes, since then nothing is written by it. `clock` is monotonic.
    """

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, turns_down: Callable[[Path], bool] = turns_down
    ) -> None:
        self._clock = clock
        self._turns_down = turns_down
        self._due = clock()
        self._refused = refused_writes()
        self._found = False

    def __call__(self, folder: Path) -> bool:
        """Return whether the file system of a folder refuses to write, as far as is known."""
        now, refused = self._clock(), refused_writes()
        if self._found or refused != self._refused or now >= self._due:
            self._due, self._refused = now + PROBED_EACH, refused
            self._found = self._turns_down(folder)
        return self._found


def unwritable(folder: Path, turns_down: Callable[[Path], bool] = turns_down) -> str:
    """Return as a sentence that this process may not write all of the state folder; empty if it may."""
    path = first_unwritable(folder)
    if path is None:
        return f"{folder} cannot be written: its file system is read-only" if turns_down(folder) else ""
    try:
        is_read_only = bool(os.statvfs(path).f_flag & os.ST_RDONLY)
    except OSError as error:
        return f"{path} cannot be written: {error.strerror}"
    return f"{path} cannot be written: " + (
        "its file system is read-only" if is_read_only else f"this user ({os.geteuid()}) may not"
    )


def bears_read_only(folder: Path) -> bool:
    """Return whether a start goes on although a state folder cannot be written.

    That is if a ruleset is there, which is enforced, or if its file system is read-only: `at_first_start` says what is
    done without a ruleset.
    """
    with contextlib.suppress(OSError):
        return bool(Versions(folder / "rulesets").all()) or bool(os.statvfs(folder).f_flag & os.ST_RDONLY)
    return False
