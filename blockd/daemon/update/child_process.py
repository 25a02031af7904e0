"""Child processes, and the niceness by which work beside the workers does not slow down answering.

A child stays in the session of its parent. A kernel with autogroups (sched(7)) gives every session a share of its own,
and niceness has no effect outside the session.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import signal
import sys

CONTROL = 5  # niceness beyond a worker's: a busy core gives the control process a quarter of itself
CHILD = 5  # niceness beyond the control process': a busy core gives compiling a tenth of itself
LEAST = 19  # the highest niceness (setpriority(2))
PR_SET_PDEATHSIG = 1  # prctl(2)


def yield_to_workers() -> None:
    """Lower the priority of this process, which is not a worker, below that of the workers."""
    os.nice(CONTROL)


async def start(module: str, *arguments: str, reads: bool = False) -> asyncio.subprocess.Process:
    """Start `python -m module`, with a pipe for its output, and for its input if it `reads`; raises OSError."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        module,
        *arguments,
        stdin=asyncio.subprocess.PIPE if reads else asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        process_group=0,  # a signal to the foreground reaches the control process, which then ends its children
    )
    with contextlib.suppress(ProcessLookupError):  # now, since its imports alone take a third of a second
        os.setpriority(os.PRIO_PROCESS, process.pid, min(os.getpriority(os.PRIO_PROCESS, 0) + CHILD, LEAST))
    return process


async def end(process: asyncio.subprocess.Process) -> None:
    """End a child that is still running."""
    if process.returncode is None:
        process.kill()
        await process.wait()


def end_with_parent() -> None:
    """Have the kernel end this process when the control process ends: its result is not needed then."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def give(octets: bytes) -> None:
    """Write octets to standard output; they are lost if the parent was killed."""
    with contextlib.suppress(BrokenPipeError), os.fdopen(os.dup(sys.stdout.fileno()), "wb") as output:
        output.write(octets)
