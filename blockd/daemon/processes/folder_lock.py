"""The lock of a state folder: one blockd runs on it, with its children.

The folder itself is locked, and the file `lock` in it, which has the number of the process. Only who removes the folder
can take the first of these away; the second is what an earlier blockd, or a file system that locks no folders, goes by.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import logging
import os
import time
from pathlib import Path

from blockd.daemon.channel import DESCRIPTOR, Message
from blockd.daemon.processes.writability import bears_read_only
from blockd.errors import CommandError, cause_of
from blockd.files import descriptor_of_kept, read_kept

ORPHANS_END = 5.0  # seconds for the children of a killed blockd to notice, and to release its folder
LOOKS = 0.05  # seconds between two checks of that
MAX_HOLDER = 32  # octets of the file
_LATER = 2  # descriptors kept beside those of the start: of the newest folder, and of the newest file

log = logging.getLogger(__name__)


class FolderLock:
    """A state folder that is locked as long as this process, or one that was forked from it, has the descriptors.

    `holder` is the number of the process that took it.
    """

    def __init__(self, folder: Path, descriptors: list[int]) -> None:
        self.folder = folder
        self.holder = os.getpid()
        self._descriptors = descriptors  # of the start
        self._later: list[int] = []  # of what has taken its place, the newest ones
        self.trouble = ""  # why another may have the folder; empty if none has

    @property
    def descriptors(self) -> list[int]:
        """Those by which it is locked; another process that has them has the lock."""
        return [*self._descriptors, *self._later]

    def heeds(self, message: Message) -> bool:
        """Return whether a message of the control process is about a lock, whose descriptor is kept then."""
        if "lock" not in message:
            return False
        if (descriptor := message.pop(DESCRIPTOR, None)) is not None:
            self.adopt(descriptor)
        return True

    def adopt(self, descriptor: int) -> None:
        """Keep a descriptor of what was locked anew."""
        self._later.append(descriptor)
        while len(self._later) > _LATER:
            os.close(self._later.pop(0))

    def look(self) -> list[int]:
        """Lock what lies in the place of what was locked, if that was removed; return the descriptors, to be adopted.

        What cannot be locked is told in the log, once.
        """
        locked, troubles = [], []
        for path, opened in ((self.folder, _open_folder), (self.folder / "lock", _open_file)):
            try:
                if self._has(path):
                    continue
                descriptor = opened(path)
                try:
                    _lock(descriptor)
                except OSError:
                    os.close(descriptor)
                    raise
            except BlockingIOError:
                troubles.append(f"{path} is locked by another process, {_holder(self.folder) or 'unknown'}")
            except OSError as error:
                if error.errno != errno.EBADF:  # a file system that locks no folders
                    troubles.append(f"{path} cannot be locked again: {cause_of(error)}")
            else:
                if path != self.folder:
                    _write_holder(descriptor, self.holder)
                locked.append(descriptor)
        self._tell(locked, "; ".join(troubles))
        return locked

    def close(self) -> None:
        """Release it, unless another process holds it as well."""
        for descriptor in (*self._descriptors, *self._later):
            os.close(descriptor)
        self._descriptors, self._later = [], []

    def _has(self, path: Path) -> bool:
        """Return whether what lies at a path is locked already; also if it is a folder that cannot be reached."""
        try:
            found = path.lstat()
        except FileNotFoundError:
            return path == self.folder  # it is for others to make it again
        return any(os.path.samestat(found, os.fstat(one)) for one in (*self._descriptors, *self._later))

    def _tell(self, locked: list[int], trouble: str) -> None:
        if locked:
            log.error("The lock of %s was gone. It is locked again.", self.folder)
        if trouble and trouble != self.trouble:
            log.critical(
                "%s. If another blockd runs on this folder, both write one state: stop the one that should not, and "
                "give each a state_dir of its own.",
                trouble,
            )
        self.trouble = trouble


def take_lock(folder: Path) -> FolderLock:
    """Lock a state folder for this process and its children.

    If a blockd that had it was killed, its children are given time to end. Raises CommandError if another one has it,
    and OSError if it cannot be opened.
    """
    deadline = time.monotonic() + ORPHANS_END
    with contextlib.ExitStack() as failed:
        place = _open_folder(folder)
        failed.callback(os.close, place)
        try:
            _wait_for(place, folder, deadline)
        except OSError as error:
            log.debug("%s cannot be locked itself: %s.", folder, cause_of(error))  # as on a network file system
        file = _open_lock(folder)
        if file is None:
            failed.pop_all()
            return FolderLock(folder, [place])
        failed.callback(os.close, file)
        _wait_for(file, folder, deadline)
        _write_holder(file, os.getpid())
        failed.pop_all()
    return FolderLock(folder, [place, file])


def is_held(folder: Path) -> bool:
    """Return whether a blockd, or children of one that was killed, hold the state folder at `folder`."""
    for path, opened in ((folder, _open_folder), (folder / "lock", _open_kept)):
        try:
            descriptor = opened(path)
        except OSError:
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError as error:
            log.debug("%s cannot be locked: %s.", path, cause_of(error))
        finally:
            os.close(descriptor)
    return False


def _wait_for(descriptor: int, folder: Path, deadline: float) -> None:
    """Lock a descriptor; raises CommandError if another process has it, and OSError if it cannot be locked."""
    while True:
        try:
            _lock(descriptor)
        except BlockingIOError:
            holder = _holder(folder)
        else:
            return
        is_alive = bool(holder) and Path(f"/proc/{holder}").exists()
        if is_alive or time.monotonic() >= deadline:
            raise CommandError(
                f"Another blockd (process {holder or 'unknown'}) is running with the state folder {folder}. "
                "It keeps running; stop it first, or configure another state_dir for this one."
                if is_alive or not holder
                else f"Children of a blockd that has ended (process {holder}) still hold the state folder "
                f"{folder}. End them first: `fuser {folder} {folder / 'lock'}` lists them."
            )
        time.sleep(LOOKS)


def _lock(descriptor: int) -> None:
    """Lock a descriptor at once; raises BlockingIOError if another process has it, and OSError."""
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _open_folder(folder: Path) -> int:
    return os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)


def _open_file(path: Path) -> int:
    return descriptor_of_kept(path, os.O_RDWR | os.O_CREAT)


def _open_kept(path: Path) -> int:
    return descriptor_of_kept(path, os.O_RDONLY)


def _open_lock(folder: Path) -> int | None:
    """Open the file of the lock; the folder alone stands for it if nothing can be written, and returns None."""
    path = folder / "lock"
    try:
        return _open_file(path)
    except OSError:
        if not bears_read_only(folder):
            raise
    try:
        return _open_kept(path)
    except OSError:
        return None


def _holder(folder: Path) -> str:
    """Return the number of the process that took the lock; empty if it is not known."""
    try:
        holder = read_kept(folder / "lock", MAX_HOLDER).decode("ascii", "replace").strip()
    except OSError:
        return ""
    return holder if holder.isdecimal() else ""


def _write_holder(descriptor: int, holder: int) -> None:
    with contextlib.suppress(OSError):  # a full disk: then the number of the process is not known
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{holder}\n".encode(), 0)
