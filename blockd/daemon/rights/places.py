"""The places of the state folder: each is made as what it should be, in place of whatever else lies there."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import shutil
import stat
from pathlib import Path

from blockd.daemon.rights.folders_above import exchangeable
from blockd.daemon.rights.state_folder import MODE

log = logging.getLogger(__name__)


def make(folder: Path) -> bool:
    """Make a folder of the state, and those above it, if they are missing; return whether it was. Raises OSError.

    Raises PermissionError as well if one above it was made by somebody else meanwhile, who could exchange it.
    """
    if not folder.parent.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        if os.geteuid() != 0 and (why := exchangeable(folder, os.geteuid())):
            raise PermissionError(errno.EPERM, why, str(folder))
    with contextlib.suppress(FileExistsError):
        folder.mkdir(MODE)
        folder.chmod(MODE)  # whatever the umask
        return True
    if not folder.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, "it is not a folder", str(folder))
    return False


def make_in_place(folder: Path) -> bool:
    """Make a folder in the state's, in place of what is no folder; return whether it was missing. Raises OSError.

    A link could lead to what is somebody else's.
    """
    with contextlib.suppress(FileNotFoundError):
        mode = folder.lstat().st_mode
        if not stat.S_ISDIR(mode):
            log.error("%s is %s where blockd keeps a folder. It is removed and created again.", folder, kind_of(mode))
            folder.unlink()
    return make(folder)


def kind_of(mode: int) -> str:
    """Say what something is that is not what it should be."""
    if stat.S_ISLNK(mode):
        return "a link"
    if stat.S_ISREG(mode):
        return "a file"
    return "a folder" if stat.S_ISDIR(mode) else "a pipe, a socket or a device"


def remove(path: Path, mode: int = stat.S_IFREG) -> None:
    """Remove a file or a folder, as far as what it is in can be written."""
    if stat.S_ISDIR(mode):
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)
