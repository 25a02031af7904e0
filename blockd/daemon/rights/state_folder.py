"""The state folder as a place in the file system: who makes it, who owns what is in it, and who may look.

Root makes it only where every folder above it is root's own, so that nobody can put another in its place meanwhile;
anywhere else the user makes it with its own rights. Root changes the owner of no file in it, and of no folder but one
that is empty: a path can lead elsewhere by the time it is used.
"""

from __future__ import annotations

import contextlib
import logging
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from blockd.daemon.rights.account import Account, user_name
from blockd.daemon.rights.folder_walk import FolderWalk
from blockd.daemon.rights.folders_above import exchangeable
from blockd.errors import CommandError

MODE = 0o750
WIDEST = 0o640  # of a file in it

log = logging.getLogger(__name__)

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK


def make_for(folder: Path, account: Account | None) -> None:
    """Make the state folder for a user, as root; nothing is done if it is None or this process is not root.

    If blockd is to stay root, who else could exchange the folder is logged: what is put there is used as root.
    Nothing is done either if another than root could change a folder on the way: then the user makes it. Raises
    CommandError if a link lies there, or if it cannot be made.
    """
    if os.geteuid() == 0 and (account is None or account.uid == 0) and (why := exchangeable(folder, 0)):
        log.warning("blockd runs as root, and %s; or name a `user`.", why)
    if account is None or os.geteuid() != 0 or account.uid == 0:
        return
    with contextlib.ExitStack() as stack:
        try:
            above = _root_only(folder.parent, stack)
            if above is None:
                return
            with contextlib.suppress(FileExistsError):
                os.mkdir(folder.name, 0o700, dir_fd=above)
            found = os.open(folder.name, _FOLDER, dir_fd=above)
            stack.callback(os.close, found)
            if os.fstat(found).st_uid == 0 and not os.listdir(found):  # noqa: PTH208 - not of a path
                os.fchown(found, account.uid, account.gid)
                os.fchmod(found, MODE)
        except OSError as error:
            raise CommandError(unusable(folder, error)) from error


def root_prepares(folder: Path, account: Account | None) -> bool:
    """Return whether `make_for` would make the folder, or give it to the user. Nothing is changed."""
    if account is None or os.geteuid() != 0 or account.uid == 0 or folder.is_symlink():
        return False
    place = next((path for path in (folder.parent, *folder.parents) if path.exists()), folder.parent)
    try:
        with contextlib.ExitStack() as stack:
            if _root_only(place, stack) is None:
                return False
        return not folder.exists() or (folder.stat().st_uid == 0 and folder.is_dir() and not any(folder.iterdir()))
    except OSError:
        return False


def unusable(folder: Path, error: OSError) -> str:
    """Say why the state folder cannot be used."""
    if folder.is_symlink():
        return (
            f"The state folder {folder} (state_dir) is a link. Name the folder that it leads to: blockd is started as "
            "root, and follows no link to it."
        )
    sentence = f"The state folder {folder} (state_dir) cannot be used: {error.filename or folder}: {error.strerror}."
    if isinstance(error, PermissionError) and not folder.exists():
        user = user_name(os.geteuid())
        sentence += f" Make it for {user}, as root: `install -d -o {user} -m 0750 {folder}`."
    return sentence


def _root_only(folder: Path, stack: contextlib.ExitStack) -> int | None:
    """Open a folder, which is made if it is missing; None if another than root could change it, or one above it.

    Links are followed if they are root's own, in folders that are root's own, such as /var/run.
    """
    walk = FolderWalk(folder, _FOLDER, stack, makes=True)
    for _, found in walk:
        if stat.S_ISDIR(found.st_mode) and not _is_root_only(found):
            return None
    return walk.descriptor if _is_root_only(os.fstat(walk.descriptor)) else None


def _is_root_only(found: os.stat_result) -> bool:
    return found.st_uid == 0 and not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def foreign(folder: Path, uid: int) -> Path | None:
    """Return the first thing in the state folder, or that itself, that belongs to another than `uid`; None if none.

    Raises OSError if it cannot be looked through. No link is followed.
    """
    if folder.stat().st_uid != uid:
        return folder
    for place, folders, names, descriptor in os.fwalk(folder, onerror=_raise, follow_symlinks=False):
        for name in (*folders, *names):
            with contextlib.suppress(FileNotFoundError):  # which another process has replaced
                if os.lstat(name, dir_fd=descriptor).st_uid != uid:
                    return Path(place) / name
    return None


def of_others(folder: Path, path: Path, user: str) -> str:
    """Say what to do about something in the state folder that belongs to another user than `user`."""
    return (
        f"{path} belongs to another user than {user}, whom blockd runs as. If nobody but blockd has written there, run "
        f"`chown -R {user}: {folder}` as root while blockd does not run"
    )


def close_to_others(folder: Path) -> None:
    """Take the rights of others, and of the group to write, from the folder and all in it that this user owns."""
    for _, _, names, descriptor in os.fwalk(folder, follow_symlinks=False):
        _narrow(descriptor, MODE)
        for name in names:
            with contextlib.suppress(OSError), _opened(name, descriptor) as file:
                _narrow(file, WIDEST)


@contextlib.contextmanager
def _opened(name: str, folder: int) -> Iterator[int]:
    """Open a regular file whose mode is wider than it may be; raises OSError if it is none."""
    found = os.lstat(name, dir_fd=folder)
    if not stat.S_ISREG(found.st_mode) or not stat.S_IMODE(found.st_mode) & ~WIDEST:
        raise FileNotFoundError(name)
    descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _narrow(descriptor: int, widest: int) -> None:
    found = os.fstat(descriptor)
    mode = stat.S_IMODE(found.st_mode)
    if mode & ~widest and found.st_uid == os.geteuid():
        with contextlib.suppress(OSError):
            os.fchmod(descriptor, mode & widest)


def _raise(error: OSError) -> None:
    raise error
