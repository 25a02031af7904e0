"""The folders above the state folder: whoever may change one of them can put another folder in its place, at any time.

No look at the state folder itself helps against that: what is opened later by the same path may be another's, or other
files of blockd's user. So a start is refused there, as sshd(8) refuses keys in such folders (`StrictModes`).
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from blockd.daemon.rights.account import user_name
from blockd.daemon.rights.folder_walk import FolderWalk

_FOLDER = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_ALL_USERS = ["0", "0", "4294967295"]  # of a process in no user namespace (user_namespaces(7))


def exchangeable(folder: Path, uid: int) -> str:
    """Say by whom, beside root and the user `uid`, `folder` could be exchanged for another; empty if by nobody.

    A folder that everybody may write is in order with the sticky bit, as /tmp has it, and one that a group may write:
    its owner has chosen the group. What is missing or cannot be looked at is not judged. Nothing is changed.
    """
    trusted = {0, uid, *_unmapped()}
    with contextlib.ExitStack() as stack:
        for place, found in _way(folder, stack):
            if found.st_uid not in trusted:
                whose = f"belongs to {user_name(found.st_uid)}"
            elif stat.S_ISDIR(found.st_mode) and found.st_mode & stat.S_IWOTH and not found.st_mode & stat.S_ISVTX:
                whose = "may be written by everybody"
            else:
                continue
            return (
                f"{place}, on the way to {folder}, {whose}, who could put another folder in its place at any time. "
                f"Change its owner or mode, or name a state_dir below folders of root or of {user_name(uid)}"
            )
    return ""


def _way(folder: Path, stack: contextlib.ExitStack) -> Iterator[tuple[Path, os.stat_result]]:
    """Yield the folders and links by which `folder` is reached, from / on, without itself, as far as can be seen."""
    with contextlib.suppress(OSError):
        yield from FolderWalk(folder, _FOLDER, stack)


def _unmapped() -> list[int]:
    """Return the number by which a user namespace shows root and all others that it does not know; none outside."""
    try:
        if Path("/proc/self/uid_map").read_text("ascii").split() == _ALL_USERS:
            return []
        return [int(Path("/proc/sys/kernel/overflowuid").read_text("ascii"))]
    except (OSError, ValueError):
        return []
