"""Waiting for children, and for what the kernel makes children of the first process of a container.

A process whose parent ends becomes the child of process 1 (pid_namespaces(7)). If that is the supervisor, it waits for
such processes too, or they would fill the table of processes; what each ended with belongs to nobody.
"""

from __future__ import annotations

import os
from collections.abc import Collection


class Reaper:
    """Waits for every child of this process that has ended; what each of its own ended with is kept until asked for."""

    def __init__(self) -> None:
        self._statuses: dict[int, int] = {}

    def collect(self, own: Collection[int]) -> None:
        """Wait for all children that have ended; `own` are the process ids of those whose end is asked for later."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            if pid in own:
                self._statuses[pid] = status

    def status(self, pid: int) -> int:
        """Return what a child of one's own, which has ended, ended with."""
        known = self._statuses.pop(pid, None)
        return os.waitpid(pid, 0)[1] if known is None else known
