"""Child processes, and the niceness by which work beside the workers does not slow down answering.

A child stays in the session of its parent. A kernel with autogroups (sched(7)) gives every session a share of its own,
and niceness has no effect outside the session.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import logging
import os
import signal
import sys
import threading
from typing import Protocol

CONTROL = 5  # niceness beyond a worker's: a busy core gives the control process a quarter of itself
CHILD = 5  # niceness beyond the control process': a busy core gives compiling a tenth of itself
LEAST = 19  # the highest niceness (setpriority(2))
PR_SET_PDEATHSIG = 1  # prctl(2)
KILL_TIME = 10.0  # seconds to wait for a process that was killed
M_ARENA_MAX = -8  # malloc.h
STANDARD_OUTPUT = 1  # descriptor

log = logging.getLogger(__name__)


def spare_memory() -> None:
    """Have all threads of this process, and of those that it forks, allocate from one heap (mallopt(3)).

    Each heap keeps what was freed in it.
    """
    with contextlib.suppress(AttributeError):  # another C library than glibc
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, 1)


class ChildProcess(Protocol):
    """A child, as `asyncio.subprocess.Process` is one."""

    @property
    def pid(self) -> int:
        """Its process id."""

    @property
    def returncode(self) -> int | None:
        """What it ended with, negative for a signal; None while it runs."""

    @property
    def stdin(self) -> asyncio.StreamWriter | None:
        """Its standard input, if it reads."""

    @property
    def stdout(self) -> asyncio.StreamReader | None:
        """Its standard output."""

    async def wait(self) -> int:
        """Wait until it has ended; return what with."""

    def kill(self) -> None:
        """End it at once."""


class Start(Protocol):
    """Starts a child process that runs `main` of a module with some arguments; raises OSError."""

    async def __call__(self, module: str, *arguments: str, reads: bool = False) -> ChildProcess:
        """Return the child, with a pipe for its output, and for its input if it `reads`."""


def be_nicer(by: int) -> None:
    """Lower the priority of this process; one that may not, by a filter of system calls, goes on as it is."""
    with contextlib.suppress(OSError):
        os.nice(max(0, min(by, LEAST - os.getpriority(os.PRIO_PROCESS, 0))))


def yield_to_workers() -> None:
    """Lower the priority of this process, which is not a worker, below that of the workers.

    If it may not, that is logged, as what it compiles competes with answering then.
    """
    before = os.getpriority(os.PRIO_PROCESS, 0)
    be_nicer(CONTROL)
    if os.getpriority(os.PRIO_PROCESS, 0) == before < LEAST:
        log.warning(
            "This process may not lower its priority (setpriority(2)): while a ruleset is compiled, a busy machine "
            "answers more slowly."
        )


def give_way(nicer: int = CHILD) -> None:
    """Lower the priority of this thread, and of those that it starts, as that of a child process.

    The kernel derives from it how soon the thread is served by a disk (ioprio_set(2)).
    """
    thread = threading.get_native_id()
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, thread, min(os.getpriority(os.PRIO_PROCESS, thread) + nicer, LEAST))


async def start(module: str, *arguments: str, reads: bool = False) -> ChildProcess:
    """Start `python -m module PARENT ARGUMENTS`, as `Start` says; PARENT is the id of this process."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        module,
        str(os.getpid()),
        *arguments,
        stdin=asyncio.subprocess.PIPE if reads else asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        process_group=0,  # a signal to the foreground reaches the control process, which then ends its children
    )
    with contextlib.suppress(OSError):  # now, since its imports alone take a third of a second
        os.setpriority(os.PRIO_PROCESS, process.pid, min(os.getpriority(os.PRIO_PROCESS, 0) + CHILD, LEAST))
    return process


async def end(process: ChildProcess) -> None:
    """End a child that is still running; nothing is read from it any more.

    One that waits for a disk is not waited for: it ends as soon as that answers.
    """
    if process.returncode is None:
        process.kill()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(KILL_TIME):
                await process.wait()
    if process.stdin is not None:
        process.stdin.close()


def end_with_parent(parent: int) -> None:
    """Have the kernel end this process with `parent`, which started it, even while it is stopped.

    If that one has ended already, so does this one.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def give(octets: bytes) -> None:
    """Write octets to standard output; they are lost if the parent was killed."""
    with contextlib.suppress(BrokenPipeError), os.fdopen(os.dup(STANDARD_OUTPUT), "wb") as output:
        output.write(octets)
