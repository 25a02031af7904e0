"""The name of a process, as `ps` and `top` show it: which of blockd's processes it is."""

from __future__ import annotations

import contextlib
import ctypes
from pathlib import Path

PR_SET_NAME = 15  # prctl(2)
MAX_NAME = 15  # octets of the short name, which `top` shows
PROC = Path("/proc/self")
# In /proc/PID/stat, behind the name in parentheses: where the arguments begin and end (proc_pid_stat(5), 48 and 49).
_ARG_START, _ARG_END = 45, 46

_role = ["main"]  # of this process


def role_of_process() -> str:
    """Return what this process was named last; `main` before that."""
    return _role[0]


def name_process(role: str, short: str = "") -> None:
    """Name this process `blockd: ROLE`; `short` stands for the role where only 15 octets are shown.

    The name is written over the arguments that the process was started with, as far as these reach. A process that
    cannot be named keeps its name.
    """
    _role[0] = role
    with contextlib.suppress(OSError, ValueError, IndexError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_NAME, f"blockd: {short or role}".encode()[:MAX_NAME], 0, 0, 0)
        stat = (PROC / "stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
        start, end = int(stat[_ARG_START]), int(stat[_ARG_END])
        size = end - start
        if start and size > 0 and ctypes.string_at(start, size) == (PROC / "cmdline").read_bytes():
            ctypes.memmove(start, f"blockd: {role}".encode()[: size - 1].ljust(size, b"\0"), size)
