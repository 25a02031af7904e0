"""Whose counters those in shared memory are: they begin at zero with each supervisor, and outlive control processes."""

from __future__ import annotations

import os
from pathlib import Path

_START_AT = 19  # of the fields behind the name of a process in /proc/PID/stat: when it started, proc(5)


def owner_of_counters() -> str:
    """Return a text that only children of the same supervisor have, also of one that has replaced its program."""
    parent = os.getppid()
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        stat = Path(f"/proc/{parent}/stat").read_text(encoding="utf-8", errors="replace")
        return f"{boot}/{parent}/{stat.rpartition(')')[2].split()[_START_AT]}"
    except (OSError, IndexError, UnicodeError):
        return f"unknown/{os.getpid()}/{os.urandom(8).hex()}"  # nobody else's: what was counted before is counted anew
