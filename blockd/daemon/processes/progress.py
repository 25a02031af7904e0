"""Whether a child process still gets on: one that uses no processor for long waits for what does not come.

A disk or a mount that does not answer holds a process without a limit, and so does a signal that stops it. Only time in
which this process itself ran is counted, so that a machine that paused ends nobody.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from blockd.daemon.processes.running_time import RunningTime

STUCK = 60.0  # seconds without any use of the processor: what reads from the slowest disk uses it each second
LOOK = 5.0  # seconds between two looks
LONGEST_STEP = 2 * LOOK  # seconds between two looks that count; more if this process did not run


@contextlib.asynccontextmanager
async def bounded(pid: int, most: float | None) -> AsyncIterator[StuckWatch]:
    """End the block by TimeoutError after `most` seconds, None for no limit, or as soon as a process is stuck."""
    async with asyncio.timeout(most) as limit:
        bound = StuckWatch(pid)
        watching = asyncio.create_task(bound.watch(limit))
        try:
            yield bound
        finally:
            watching.cancel()


class StuckWatch:
    """What is known of a process; `is_stuck` once it was ended for that."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self.is_stuck = False

    async def watch(self, limit: asyncio.Timeout) -> None:
        """Look at the process, and make a limit end now if it is stuck."""
        used, idle, running = used_by(self._pid), 0.0, RunningTime(LONGEST_STEP)
        while idle < STUCK:
            await asyncio.sleep(LOOK)
            ran = running.step()
            if (found := used_by(self._pid)) != used:
                used, idle = found, 0.0
            elif found is not None:
                idle += ran
        self.is_stuck = True
        limit.reschedule(asyncio.get_running_loop().time())


def used_by(pid: int) -> int | None:
    """Return the time of the processor that a process has used, in ticks of the kernel; None if it has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(") ")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else int(fields[11]) + int(fields[12])
