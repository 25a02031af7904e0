"""A stop at any moment is orderly: whatever is under way ends within the time for it, and the audit log has the end."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from blockd.daemon.channel import Channel
from blockd.daemon.processes.children import CONTROL
from blockd.daemon.processes.family import Family
from blockd.daemon.processes.reaping import Reaper
from blockd.daemon.update.forked_child import NUMBER
from blockd.daemon.update.nursery import Nursery
from tests.daemon.harness import PATIENCE, Daemon, until, write_list
from tests.daemon.processes import test_orphans
from tests.daemon.processes.test_orphans import children_of, state
from tests.upstream import UpstreamSimulator

NAMES = 50_000  # compiling and comparing so many takes long enough to be caught at it
Prepare = Callable[[Daemon], contextlib.AbstractContextManager[None]]


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory, resolver: UpstreamSimulator) -> Iterator[Daemon]:
    folder = tmp_path_factory.mktemp("stop")
    feed = {"name": "national", "type": "domains", "path": "list", "interval": "100ms"}
    running = Daemon(folder, feed, upstream=resolver.address, gate={"max_shrink": "100%"})
    yield running
    running.destroy()


def catch(daemon: Daemon, role: str) -> None:
    """Stop the child of the control process with this role as soon as there is one; it lives for a moment only."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        for pid in children_of(daemon.pid):
            with contextlib.suppress(OSError):
                if Path(f"/proc/{pid}/comm").read_text(encoding="ascii").strip() == f"blockd: {role}":
                    os.kill(pid, signal.SIGSTOP)
                    until(lambda: state(pid) in ("T", "Z", ""), "it is stopped, or has ended")  # noqa: B023
                    if state(pid) == "T":
                        return
        time.sleep(0.002)
    raise AssertionError(f"no process was caught that is {role}")


def publish(daemon: Daemon, label: str) -> None:
    """Publish a list that shares no name with those of other labels."""
    write_list(daemon.folder / "list", [f"{label}-{number}.example" for number in range(NAMES)])


@contextlib.contextmanager
def in_a_compile(daemon: Daemon) -> Iterator[None]:
    publish(daemon, "compiled")
    catch(daemon, "compile")
    yield


@contextlib.contextmanager
def in_a_comparison(daemon: Daemon) -> Iterator[None]:
    publish(daemon, "compared")
    catch(daemon, "diff")
    yield


@contextlib.contextmanager
def in_a_refresh(daemon: Daemon) -> Iterator[None]:
    """Somebody waits at the admin port for a refresh, which waits for a compile."""
    before = len(daemon.log)
    waiting = threading.Thread(target=refreshed, args=[daemon])
    with in_a_compile(daemon):
        waiting.start()
        yield
    waiting.join()
    assert "could not be answered" not in daemon.log[before:]


def refreshed(daemon: Daemon) -> None:
    with contextlib.suppress(Exception):  # the daemon ends before it answers
        daemon.refresh()


@contextlib.contextmanager
def in_a_swap(daemon: Daemon) -> Iterator[None]:
    """A worker that does not answer is ended by force; all else is as orderly as ever."""
    victim = daemon.status()["workers"][1]["pid"]
    os.kill(victim, signal.SIGSTOP)
    before = daemon.status()["ruleset"]["version"]
    publish(daemon, "swapped")
    until(lambda: daemon.status()["workers"][0]["enforcing"] > before, "the other worker has changed over")
    yield


@pytest.mark.parametrize("prepare", [in_a_compile, in_a_comparison, in_a_refresh, in_a_swap])
def test_stop_at_any_moment_is_recorded(daemon: Daemon, prepare: Prepare) -> None:
    publish(daemon, "first")
    daemon.start()
    before = len(daemon.log)
    until(lambda: daemon.is_ready() and daemon.ask("first-0.example").addresses == ["127.0.0.1"], "all is well")
    with prepare(daemon):
        daemon.stop()
    killed = [line for line in daemon.log[before:].splitlines() if "did not end in time" in line]
    assert [line for line in killed if "worker 1" not in line] == []
    assert kinds(daemon)[-1] == "stop"


def kinds(daemon: Daemon) -> list[str]:
    with contextlib.closing(sqlite3.connect(daemon.state_dir / "audit.db")) as database:
        return [kind for (kind,) in database.execute("SELECT kind FROM records ORDER BY number")]


def test_stop_while_it_starts_is_recorded(daemon: Daemon) -> None:
    """The control process is told to end as soon as it can be seen, or a moment later."""
    for questions in (0, 1, 5):
        before = len(daemon.log)
        daemon.launch()
        until(lambda: daemon.children("control"), "the control process has begun")
        for _ in range(questions):
            daemon.first_answer("first-0.example")
        daemon.stop()
        found = kinds(daemon)
        assert found.count("start") == found.count("stop")
        assert "did not end in time" not in daemon.log[before:]


def test_children_of_the_control_process_are_started_and_ended_while_it_ends(caplog: pytest.LogCaptureFixture) -> None:
    family, nursery = Family(Reaper()), Nursery()
    theirs = nursery.open()

    def job(channel: Channel) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
        channel.send({"reason": "it can be told to end"})
        signal.sigwait([signal.SIGTERM])
        talk, told = socket.socketpair(), socket.socketpair()
        request = json.dumps({"start": [test_orphans.__name__]}).encode()  # which stops itself
        socket.send_fds(theirs, [request], [talk[1].fileno(), told[1].fileno()])
        (pid,) = NUMBER.unpack(told[0].recv(NUMBER.size))
        theirs.send(json.dumps({"kill": pid}).encode())
        told[0].recv(NUMBER.size)

    child = family.fork(CONTROL, job, lambda: None)
    until(child.channel.receive, "it can be told to end")
    family.end_all(nursery)
    assert caplog.messages == []
    assert nursery.pids == []
    nursery.close()
    theirs.close()
    child.channel.close()
    os.close(child.watch)


def test_a_stop_that_the_control_process_cannot_record_is_told(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("blockd.daemon.processes.family.STOP_TIME", 0.0)
    family, nursery = Family(Reaper()), Nursery()

    def job(channel: Channel) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
        channel.send({"reason": "it hangs"})
        os.kill(os.getpid(), signal.SIGSTOP)

    child = family.fork(CONTROL, job, lambda: None)
    until(lambda: state(child.pid) == "T", "it hangs")
    family.end_all(nursery)
    assert "This stop is not in the audit log. The next start records there that" in caplog.text
    nursery.close()
    child.channel.close()
    os.close(child.watch)
