"""Signals at any moment of the daemon's life are right."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from blockd.daemon.processes import signals
from tests.daemon.harness import PATIENCE, Daemon, until, write_list
from tests.effort import LONG

OFFSETS = [offset / 1000 for offset in (range(0, 820, 20) if LONG else (0, 40, 150, 350, 600))]  # seconds


def has_begun(pid: int) -> bool:
    """Return whether a process has reached its first line: it ignores what is set last (proc_pid_status(5))."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines():
        if line.startswith("SigIgn:"):
            return bool(int(line.split()[1], 16) >> (signals.IGNORED[-1] - 1) & 1)
    return False


@pytest.fixture
def daemon(tmp_path: Path) -> Daemon:
    write_list(tmp_path / "list", ["listed.example"])
    return Daemon(tmp_path, {"name": "national", "type": "domains", "path": "list", "interval": "1h"}, fresh=True)


def test_signals_from_the_first_line_to_the_end_of_a_start_change_nothing(daemon: Daemon) -> None:
    daemon.launch()
    try:
        until(lambda: has_begun(daemon.pid), "signals are handled")
        sent = 0
        while "Try:" not in daemon.banner:
            assert daemon.process is not None
            assert daemon.process.poll() is None, daemon.log
            for number in (signal.SIGHUP, *signals.IGNORED):
                os.kill(daemon.pid, number)
            sent += 1
            time.sleep(0.005)  # the pace of what is sent, no wait for anything
        assert sent > 10
        assert daemon.ask("listed.example").addresses == ["127.0.0.1"]
        for pid in daemon.children():
            for number in (signal.SIGHUP, *signals.IGNORED):
                os.kill(pid, number)
        write_list(daemon.folder / "list", ["listed.example", "later.example"])
        os.kill(daemon.pid, signal.SIGHUP)
        until(lambda: daemon.ask("later.example").addresses == ["127.0.0.1"], "SIGHUP has the feeds fetched")
        assert " ended (" not in daemon.log
        daemon.stop()
    finally:
        daemon.destroy()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT])
def test_end_is_clean_at_any_moment_of_a_start(daemon: Daemon, number: signal.Signals) -> None:
    for offset in OFFSETS if number == signal.SIGTERM else OFFSETS[1:2]:
        daemon.launch()
        assert daemon.process is not None
        try:
            until(lambda: has_begun(daemon.pid), "signals are handled")
            time.sleep(offset)  # the moment that is tested
            os.kill(daemon.pid, number)
            assert daemon.process.wait(PATIENCE) == 0, daemon.log
            until(lambda: not daemon.processes(), "no process is left behind")
        finally:
            daemon.destroy()
    daemon.assert_no_fault()


def test_hangup_before_the_supervisor_listens_is_remembered() -> None:
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            signals.begin()
            os.kill(os.getpid(), signal.SIGHUP)
            code = 0 if signals.Signals().received() == {signal.SIGHUP} else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def test_child_takes_no_signal_for_the_supervisors() -> None:
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            signals.begin()
            listening = signals.Signals()
            with signals.held():
                child = os.fork()
                if child == 0:
                    os.kill(os.getpid(), signal.SIGTERM)  # it waits until the child has a default for it
                    signals.reset()
                    os._exit(3)
            _, status = os.waitpid(child, 0)
            is_right = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGTERM
            code = 0 if is_right and listening.received() <= {signal.SIGCHLD} else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def test_mask_of_the_starting_process_is_removed() -> None:
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
            signals.begin()
            code = 0 if signal.pthread_sigmask(signal.SIG_BLOCK, ()) == set() else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
