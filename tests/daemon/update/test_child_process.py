"""What runs beside the workers gives way to them, and is forked ready-made."""

from __future__ import annotations

import asyncio
import json
import os
import platform
import signal
import socket
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import pytest

from blockd.daemon.update.child_process import LEAST, end
from blockd.daemon.update.forked_child import ForkedChildren
from blockd.daemon.update.nursery import Nursery
from blockd.ruleset import StatesMemory
from tests.break_in import attempted
from tests.daemon import filtered
from tests.daemon.harness import Daemon, everywhere, write_list
from tests.upstream import UpstreamSimulator


def main(arguments: Sequence[str]) -> int:
    """What the forked children of these tests do."""
    parent, wanted = arguments
    if wanted == "fail":
        raise ValueError("this is what fails")
    if wanted == "write":
        os.write(1, b"no" if ORDERS.writable is None else b"yes")
        return 0
    if wanted == "wait":
        os.write(1, b"waiting")
        time.sleep(600)
    with open(0, "rb", closefd=False) as given:
        text = given.read().decode()
    open_descriptors = sorted(int(path.name) for path in Path("/proc/self/fd").iterdir())
    told = [text, int(parent) == os.getppid(), niceness(0), os.getpgid(0) == os.getpid(), open_descriptors[:-1]]
    os.write(1, json.dumps(told).encode())
    return 7


ORDERS = StatesMemory.make([], [], 0.0)


def niceness(pid: int) -> int:
    return os.getpriority(os.PRIO_PROCESS, pid)


def served(
    work: Callable[[ForkedChildren, socket.socket], Awaitable[None]], forget: Callable[[], None] = lambda: None
) -> None:
    """Have a nursery in this process serve what `work` asks for."""

    async def run() -> None:
        loop, nursery = asyncio.get_running_loop(), Nursery(forget=forget)
        theirs = nursery.open()
        served: set[int] = set()

        def serve(descriptor: int) -> None:
            nursery.handle(descriptor)
            watch()

        def watch() -> None:
            for gone in served - set(nursery.descriptors):
                loop.remove_reader(gone)
                served.remove(gone)
            for new in set(nursery.descriptors) - served:
                loop.add_reader(new, serve, new)
                served.add(new)

        watch()
        try:
            async with asyncio.timeout(60):
                await work(ForkedChildren(theirs), theirs)
                while len(nursery.descriptors) > 1:  # noqa: ASYNC110 - every child that has ended is reaped
                    await asyncio.sleep(0)
        finally:
            for descriptor in served:
                loop.remove_reader(descriptor)
            theirs.close()
            nursery.close()

    asyncio.run(run())


def test_forked_child_has_given_up_the_memory_of_the_orders_states() -> None:
    async def work(children: ForkedChildren, _theirs: socket.socket) -> None:
        child = await children.start(__name__, "write", reads=True)
        assert child.stdout is not None
        assert await child.stdout.read() == b"no"
        await end(child)

    assert ORDERS.map_for_writing() is not None
    served(work, ORDERS.forget_writing)
    assert ORDERS.writable is not None, "the supervisor's own is still there"


def test_forked_child_is_given_its_input_and_has_nothing_else_open() -> None:
    async def work(children: ForkedChildren, _theirs: socket.socket) -> None:
        child = await children.start(__name__, "echo", reads=True)
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write(b"a" * 1_000_000)
        child.stdin.write_eof()
        text, *others = json.loads(await child.stdout.read())
        assert text == "a" * 1_000_000
        assert others == [True, min(niceness(0) + 10, 19), True, [0, 1, 2]]
        assert await child.wait() == 7
        await end(child)

    served(work)


def test_forked_child_can_be_killed_and_its_end_is_told(capfd: pytest.CaptureFixture[str]) -> None:
    async def work(children: ForkedChildren, _theirs: socket.socket) -> None:
        waiting = await children.start(__name__, "wait")
        failing = await children.start(__name__, "fail")
        assert await failing.wait() == 1
        assert waiting.stdout is not None
        assert await waiting.stdout.readexactly(7) == b"waiting"
        assert waiting.returncode is None
        await end(waiting)
        assert waiting.returncode == -signal.SIGKILL
        waiting.kill()  # whoever has its number now is left alone
        await end(failing)

    served(work)
    assert "ValueError: this is what fails" in capfd.readouterr().err


def test_children_end_with_the_nursery_and_later_ones_are_started_without_it(tmp_path: Path) -> None:
    async def work(children: ForkedChildren, theirs: socket.socket) -> None:
        waiting = await children.start(__name__, "wait")
        theirs.shutdown(socket.SHUT_RDWR)
        assert await waiting.wait() == -signal.SIGKILL
        await end(waiting)
        (tmp_path / "apart.py").write_text("import sys; print(sys.argv[2])")
        later = await children.start("apart", "on its own")
        assert later.stdout is not None
        assert await later.stdout.read() == b"on its own\n"
        assert await later.wait() == 0

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(tmp_path))
        served(work)


def test_control_process_gives_way_to_workers(tmp_path: Path, resolver: UpstreamSimulator) -> None:
    write_list(tmp_path / "list", ["listed.example"])
    feed = {"name": "national", "type": "domains", "path": "list", "interval": "200ms"}
    with Daemon(tmp_path, feed, upstream=resolver.address, fresh=True) as daemon:
        workers = [worker["pid"] for worker in daemon.status()["workers"]]
        control = daemon.control_pid()
        assert daemon.process is not None
        own = niceness(daemon.process.pid)
        assert {niceness(worker) for worker in workers} == {own}
        assert niceness(control) == min(own + 5, 19)
        # Another session would have a share of the core of its own, where the kernel makes groups of them.
        assert {os.getsid(pid) for pid in (control, *workers)} == {os.getsid(daemon.process.pid)}


def test_child_that_cannot_be_forked_is_started_without_the_supervisor(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "apart.py").write_text("import sys; print(sys.argv[2])")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    async def work(children: ForkedChildren, _theirs: socket.socket) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(os, "pidfd_open", failing)
            child = await children.start("apart", "on its own")
        assert child.stdout is not None
        assert await child.stdout.read() == b"on its own\n"
        assert await child.wait() == 0
        forked = await children.start(__name__, "fail")
        assert await forked.wait() == 1, "the next one is forked again"
        await end(forked)

    served(work)


def failing(*_: object) -> int:
    raise OSError(24, "Too many open files")


def unix_socket() -> bool:
    """Make a socket that could reach a service of this machine; raises OSError."""
    with socket.socket(socket.AF_UNIX):
        return True


@pytest.mark.skipif(platform.machine() not in filtered.NUMBERS, reason="the numbers of system calls are not known here")
def test_the_filter_of_the_unit_and_one_without_priorities_leave_all_of_it_at_work(
    tmp_path: Path, resolver: UpstreamSimulator
) -> None:
    assert attempted(unix_socket)
    assert not attempted(unix_socket, filtered.confine)
    assert not attempted(lambda: os.nice(1) > 0, filtered.confine)
    write_list(tmp_path / "list", ["listed.example"])
    feed = {"name": "national", "type": "domains", "path": "list", "interval": "100ms"}
    with Daemon(
        tmp_path, feed, upstream=resolver.address, program="tests.daemon.filtered", gate={"max_growth": "1000%"}
    ) as daemon:
        assert daemon.ask("listed.example").addresses == ["127.0.0.1"]
        write_list(tmp_path / "list", ["listed.example", "second.example"])
        everywhere(lambda: daemon.ask("second.example").addresses == ["127.0.0.1"], "a new list is enforced")
        assert daemon.page_pid() in daemon.children()
        if os.getpriority(os.PRIO_PROCESS, 0) < LEAST:  # otherwise there is nothing to be lowered
            assert "may not lower its priority" in daemon.log
