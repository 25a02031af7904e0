"""A blockd one of whose processes is killed at a step of a swap: `python -m tests.daemon.dying run …`.

A file `die-VICTIM-STEP` in the working folder has the victim killed, once, the next time that the step is reached while
new content is published. VICTIM is the process that takes the step, or `supervisor` for a step of the control process,
which then ends with its parent. A confined worker sees that there is such a file, and can neither read nor remove it:
that its time has been used is kept in memory that all processes share.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import mmap
import os
import signal
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from blockd import files
from blockd.audit.database import Database
from blockd.audit.recorder import AuditRecorder
from blockd.cli import main
from blockd.daemon.processes.children import Child
from blockd.daemon.processes.talk import Talk
from blockd.daemon.state_dir import StateDir
from blockd.daemon.update.compile_child import Compiler
from blockd.daemon.update.feed_state import FeedState
from blockd.daemon.update.version_journal import VersionJournal
from blockd.daemon.worker import process as worker
from blockd.daemon.workers import Workers
from blockd.resolver import Resolver
from blockd.ruleset import Versions
from blockd.ruleset.versions import kept
from blockd.selftest import SelfTests
from blockd.selftest import client as asking

# In the order in which they are taken. `before NAME` and `after NAME` are about the rename of a finished file.
OF_CONTROL = (
    "compiled",
    "ruleset in place",
    "states made",
    "before hit-slots.json",
    "held recorded",
    "workers told",
    "workers enforce",
    "tested",
    "ruleset synced",
    "before current",
    "after current",
    "audit told",
    "audit appended",
    "before audit.head",
    "before record",
    "after record",
    "recorded",
    "feed renamed",
    "before feed.json",
    "after feed.json",
)
OF_SUPERVISOR = ("told", "passed on")
OF_WORKER = ("told", "opened", "enforces", "reported")

_TIME = struct.Struct("=q")
_used = mmap.mmap(-1, _TIME.size)  # when the file was made that was heeded last
_is_publishing = False  # in the control process, from the end of a compile to the next content that it finds
_is_worker = False


def _reach(step: str, own: str) -> None:
    """Kill whom a file in the working folder names for this step."""
    for victim in (own, "supervisor"):
        with contextlib.suppress(FileNotFoundError):
            made = Path(f"die-{victim}-{step.replace(' ', '-')}").stat().st_mtime_ns
            if made == _TIME.unpack_from(_used)[0]:
                continue
            _TIME.pack_into(_used, 0, made)
            os.kill(os.getpid() if victim == own else os.getppid(), signal.SIGKILL)
            while True:  # until it ends with its parent
                signal.pause()


def _reach_in_control(step: str) -> None:
    if _is_publishing:
        _reach(step, "control")


def _patch(owner: object, name: str, reach: Callable[[], None], *, before: bool = False) -> None:
    """Have `reach` called before or after each call of a function."""
    function: Callable[..., Any] = getattr(owner, name)
    if asyncio.iscoroutinefunction(function):

        @functools.wraps(function)
        async def waiting(*arguments: Any, **named: Any) -> Any:
            if before:
                reach()
            result = await function(*arguments, **named)
            if not before:
                reach()
            return result

        setattr(owner, name, waiting)
        return

    @functools.wraps(function)
    def calling(*arguments: Any, **named: Any) -> Any:
        if before:
            reach()
        result = function(*arguments, **named)
        if not before:
            reach()
        return result

    setattr(owner, name, calling)


def _control(step: str) -> Callable[[], None]:
    return functools.partial(_reach_in_control, step)


def _worker(step: str) -> Callable[[], None]:
    return lambda: _reach(step, "worker") if _is_worker else None


def _be_worker() -> None:
    global _is_worker  # of this process
    _is_worker = True


def _found() -> None:
    global _is_publishing
    _is_publishing = False


def _compiled() -> None:
    global _is_publishing  # of this process
    _is_publishing = True
    _reach_in_control("compiled")


_put = files.put


def _putting(made: Path, path: Path) -> None:
    name = "record" if path.parent.name == "rulesets" and path.stem.isdecimal() else path.name
    _reach_in_control(f"before {name}")
    _put(made, path)
    _reach_in_control(f"after {name}")


def _heeding(self: Talk, control: Child, message: dict[str, Any]) -> None:
    is_swap = "enforce" in message
    if is_swap:
        _reach("told", "supervisor")
    _heed(self, control, message)
    if is_swap:
        _reach("passed on", "supervisor")


_heed = Talk._heed


def _be_mortal() -> None:
    """Set the steps in the code of this process and of those that it starts."""
    Talk._heed = _heeding  # type: ignore[method-assign]
    files.put = _putting
    _patch(FeedState, "offer", _found, before=True)
    _patch(FeedState, "withdraw", _found, before=True)
    _patch(Compiler, "compile", _compiled)
    _patch(Versions, "add", _control("ruleset in place"))
    _patch(StateDir, "opened", _control("states made"))
    _patch(VersionJournal, "added", _control("held recorded"))
    _patch(Workers, "wait_for", _control("workers told"), before=True)
    _patch(Workers, "wait_for", _control("workers enforce"))
    _patch(SelfTests, "run", _control("tested"))
    _patch(kept, "sync_file", _control("ruleset synced"))
    _patch(AuditRecorder, "enforced", _control("audit told"))
    _patch(Database, "append", _control("audit appended"))
    _patch(VersionJournal, "enforced", _control("recorded"))
    _patch(FeedState, "drop_waiting", _control("feed renamed"), before=True)
    _patch(worker, "run", _be_worker, before=True)
    _patch(worker, "_enforce", _worker("told"), before=True)
    _patch(StateDir, "open", _worker("opened"))
    _patch(Resolver, "enforce", _worker("enforces"))
    _patch(worker, "_enforce", _worker("reported"))
    asking.SECONDS = 20.0
    asking.PATIENCE = 0.5


if __name__ == "__main__":
    _be_mortal()
    sys.exit(main())
