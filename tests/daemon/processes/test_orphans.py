"""No child outlives the process that started it, not even one that is stopped: the kernel ends it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from blockd.daemon import shared_gate
from blockd.daemon.processes.children import Kind, Role
from blockd.daemon.processes.family import Family
from blockd.daemon.processes.reaping import Reaper
from blockd.daemon.shared_gate import SharedGate
from blockd.daemon.update import child_process, compile_child, diff_child
from blockd.daemon.update.nursery import Nursery
from blockd.settings import GateSettings
from tests.daemon.harness import until

STOPPED = "T"


def main(_arguments: Sequence[str]) -> int:
    """What a forked job of these tests does."""
    stop()
    return 0


def stop(*_: object, **__: object) -> None:
    os.kill(os.getpid(), signal.SIGSTOP)


def in_family(kind: Kind) -> Callable[[], None]:
    def begin() -> None:
        Family(Reaper()).fork(Role(kind), stop, lambda: None)

    return begin


def by_nursery() -> None:
    nursery = Nursery()
    talk, told = socket.socketpair(), socket.socketpair()
    request = json.dumps({"start": [__name__]}).encode()
    theirs = nursery.open()
    socket.send_fds(theirs, [request], [talk[1].fileno(), told[1].fileno()])
    nursery.handle(nursery.descriptors[-1])


def by_gate() -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shared_gate, "gate_of", stop)
        SharedGate(GateSettings())


def as_program(module: str, *arguments: str) -> Callable[[], None]:
    """Return what starts a program that waits for its input, or ends, and is stopped."""

    async def run() -> None:
        process = await child_process.start(module, *arguments, reads=True)
        until(lambda: is_named(process.pid), "it has come to its work")
        os.kill(process.pid, signal.SIGSTOP)
        await asyncio.to_thread(signal.pause)

    return lambda: asyncio.run(run())


def is_named(pid: int) -> bool:
    return Path(f"/proc/{pid}/comm").read_text(encoding="ascii").startswith("blockd: ")


@pytest.mark.parametrize(
    "begin",
    [
        *(pytest.param(in_family(kind), id=kind) for kind in ("worker", "page", "control", "verifier")),
        pytest.param(by_nursery, id="nursery"),
        pytest.param(by_gate, id="gate"),
        pytest.param(as_program(compile_child.__name__), id="program"),
    ],
)
def test_a_stopped_child_ends_with_the_process_that_started_it(begin: Callable[[], None]) -> None:
    parent = os.fork()
    if parent == 0:
        with contextlib.suppress(BaseException):
            begin()
            signal.pause()
        os._exit(1)
    try:
        until(lambda: STOPPED in states_below(parent), "it has a child that is stopped")
        children = children_of(parent)
    finally:
        os.kill(parent, signal.SIGKILL)
        os.waitpid(parent, 0)
    until(lambda: all(state(child) in ("", "Z") for child in children), "its children have ended")


@pytest.mark.parametrize("module", [compile_child, diff_child])
def test_a_child_that_starts_after_its_parent_has_ended_does_nothing(module: object) -> None:
    gone = os.fork()
    if gone == 0:
        os._exit(0)
    os.waitpid(gone, 0)
    child = os.fork()
    if child == 0:
        with contextlib.suppress(BaseException):
            module.main([str(gone), "/nowhere", "/nowhere"])  # type: ignore[attr-defined]
        os._exit(99)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 1


def children_of(pid: int) -> list[int]:
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()]


def states_below(pid: int) -> list[str]:
    return [state(child) for child in children_of(pid)]


def state(pid: int) -> str:
    """Return the letter of a process' state, empty if there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(") ")[2][0]
    except OSError:
        return ""
