"""What a server costs, by the kernel's books: CPU time and memory of a process with all its children."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

_PROC = Path("/proc")
_TICKS = os.sysconf("SC_CLK_TCK")


def processes(root: int) -> list[int]:
    """Return the ids of a process and of all that descend from it."""
    children: dict[int, list[int]] = {}
    for folder in _PROC.iterdir():
        if folder.name.isdigit() and (fields := _stat(int(folder.name))):
            children.setdefault(int(fields[1]), []).append(int(folder.name))
    found = [root]
    for pid in found:
        found += children.get(pid, [])
    return found


def cpu_seconds(root: int) -> float:
    """Return the CPU time, user and system, that a process and its descendants have had, the ended ones too."""
    ticks = 0
    for pid in processes(root):
        if fields := _stat(pid):
            ticks += sum(map(int, fields[11:15]))  # utime, stime, and both of children that were waited for
    return ticks / _TICKS


def core_seconds(core: int) -> float:
    """Return the CPU time that a core has spent on anything, other machines included where this one is virtual."""
    for line in (_PROC / "stat").read_text().splitlines():
        name, *ticks = line.split()
        if name == f"cpu{core}":
            user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, ticks[:8])
            return (user + nice + system + irq + softirq + steal) / _TICKS
    raise LookupError(f"there is no core {core}")


def memory_mb(root: int) -> float:
    """Return the memory of a process and its descendants in 10^6 octets; a page that several share counts once."""
    kib = 0
    for pid in processes(root):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it has ended meanwhile
            for line in (_PROC / str(pid) / "smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    kib += int(line.split()[1])
    return kib * 1024 / 1e6


def _stat(pid: int) -> list[str]:
    """Return the fields of /proc/PID/stat from the state on; none where the process has ended."""
    try:
        text = (_PROC / str(pid) / "stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return []
    return text.rpartition(")")[2].split()
