"""The lock of a state folder: one blockd runs on it, with its children."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from pathlib import Path

from blockd.daemon.processes.writability import bears_read_only
from blockd.errors import CommandError
from blockd.files import descriptor_of_kept

ORPHANS_END = 5.0  # seconds for the children of a killed blockd to notice, and to release its folder
LOOKS = 0.05  # seconds between two checks of that


def take_lock(folder: Path) -> int:
    """Lock a state folder for this process and its children; return the descriptor that holds the lock.

    If a blockd that had it was killed, its children are given time to end. Raises CommandError if another one has it,
    and OSError if it cannot be opened.
    """
    descriptor = _open_lock(folder)
    deadline = time.monotonic() + ORPHANS_END
    while not _is_locked(descriptor):
        holder = os.pread(descriptor, 32, 0).decode(errors="replace").strip()
        is_alive = not holder.isdecimal() or Path(f"/proc/{holder}").exists()
        if is_alive or time.monotonic() >= deadline:
            os.close(descriptor)
            raise CommandError(
                f"Another blockd (process {holder or 'unknown'}) is running with the state folder {folder}. "
                "It keeps running; stop it first, or configure another state_dir for this one."
                if is_alive
                else f"Children of a blockd that has ended (process {holder}) still hold the state folder "
                f"{folder}. End them first: `fuser {folder / 'lock'}` lists them."
            )
        time.sleep(LOOKS)
    with contextlib.suppress(OSError):  # a full disk: then the number of the process is not known
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode())
    return descriptor


def is_held(folder: Path) -> bool:
    """Return whether a blockd, or children of one that was killed, hold the state folder at `folder`."""
    try:
        descriptor = descriptor_of_kept(folder / "lock", os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False


def _open_lock(folder: Path) -> int:
    """Open the file of the lock; the folder itself stands for it if neither can be written."""
    path = folder / "lock"
    try:
        return descriptor_of_kept(path, os.O_RDWR | os.O_CREAT)
    except OSError:
        if not bears_read_only(folder):
            raise
    try:
        return descriptor_of_kept(path, os.O_RDONLY)
    except OSError:
        return os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)


def _is_locked(descriptor: int) -> bool:
    """Try to take the lock; return whether it was taken."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
