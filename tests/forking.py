"""Processes of `python -m MODULE` that are spared their imports: forks of one process that has made them.

Each process of blockd spends most of its start on imports, and tests start hundreds. `start` forks it from a process
that has imported blockd and parsed the public suffixes, and nothing else; what it is from there on, its arguments,
environment, folder and files, is its own. With BLOCKD_LONG=1 each is a new interpreter instead.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import functools
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from tests.effort import LONG
from tests.places import ROOT

MARK = "BLOCKD_TEST_MARK"  # the environment variable by which a test finds all of its daemon's processes
ENGINE = "BLOCKD_ENGINE"
KIND = (socket.AF_UNIX, socket.SOCK_SEQPACKET)
MAX_REQUEST = 1 << 17  # octets of one request: the arguments and the environment
MAX_MARK = 64  # octets of its value
# What the daemon's processes and the verbs import; the rest each imports for itself.
IMPORTED = (
    "blockd.audit",
    "blockd.cli.check",
    "blockd.cli.lookup",
    "blockd.cli.service.run",
    "blockd.cli.status",
    "blockd.daemon.control",
    "blockd.daemon.supervisor",
    "blockd.feeds.signed.source",
    "blockd.feeds.text_source",
    "blockd.feeds.transfer.source",
    "blockd.publish",
)
_OWN = ("PYTHON", ENGINE)  # variables that work when modules are imported begin like this
# In /proc/PID/stat, behind the name in parentheses: where the environment begins and ends (proc_pid_stat(5), 50, 51).
_ENV_START, _ENV_END = 47, 48


class Process:
    """A process that was forked, with what `subprocess.Popen` has of the same name."""

    def __init__(self, connection: socket.socket) -> None:
        self.returncode: int | None = None
        self._connection = connection
        self.pid = self._number()

    def poll(self) -> int | None:
        """Return its exit code, or minus the number of the signal that ended it; None while it runs."""
        return self._look(0.0)

    def wait(self, timeout: float | None = None) -> int:
        """Wait until it has ended; return what `poll` does. Raises subprocess.TimeoutExpired."""
        code = self._look(timeout)
        if code is None:
            raise subprocess.TimeoutExpired(f"process {self.pid}", timeout or 0.0)
        return code

    def send_signal(self, number: int) -> None:
        """Send it a signal, if it has not ended."""
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def terminate(self) -> None:
        """Send SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL."""
        self.send_signal(signal.SIGKILL)

    def _look(self, seconds: float | None) -> int | None:
        if self.returncode is None and select.select([self._connection], [], [], seconds)[0]:
            self.returncode = self._number()
            self._connection.close()
        return self.returncode

    def _number(self) -> int:
        told = self._connection.recv(64)
        assert told, "the process that forks has ended"
        return int(told)


class Forker:
    """The process that forks, as seen by the tests of one process. It ends with these."""

    def __init__(self) -> None:
        self.environment = _deciding(os.environ)
        self._folder = tempfile.TemporaryDirectory(prefix="blockd-test-")
        self.address = f"{self._folder.name}/forks"
        self.python = f"{self._folder.name}/python"
        values = f"{self.address!r}, {self.environment.get(ENGINE, '')!r}, {sys.executable!r}"
        Path(self.python).write_text(f"#!{sys.executable} -IS\n{_ASKING}\nask({values})\n", encoding="utf-8")
        Path(self.python).chmod(0o755)
        with socket.socket(*KIND) as listening:
            listening.bind(self.address)
            listening.listen(64)
            self._process = subprocess.Popen(  # noqa: S603 - our own program
                [sys.executable, "-m", "tests.forking", str(listening.fileno()), self.python],
                cwd=ROOT,
                env={**os.environ, "PYTHONPATH": str(ROOT), MARK: "-" * MAX_MARK},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,  # no process is buffered as if it wrote to where the tests do
                pass_fds=[listening.fileno()],
            )
        atexit.register(self.close)

    def fork(
        self, arguments: Sequence[str], folder: Path, environment: Mapping[str, str], files: Sequence[int]
    ) -> Process:
        """Start a process; `files` are its standard input, output and error."""
        connection = socket.socket(*KIND)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2 * MAX_REQUEST)
        connection.connect(self.address)
        request = json.dumps([list(arguments), str(folder), dict(environment)]).encode()
        socket.send_fds(connection, [request], files)
        return Process(connection)

    def close(self) -> None:
        """End it; what it has forked goes on."""
        self._process.communicate()
        self._folder.cleanup()


_forkers: list[Forker] = []  # at most one
_lock = threading.Lock()


def _forker(environment: Mapping[str, str]) -> Forker | None:
    """Return the process that forks, if what has this environment may be forked."""
    if LONG:
        return None
    with _lock:
        if not _forkers:
            _forkers.append(Forker())
    return _forkers[0] if _forkers[0].environment == _deciding(environment) else None


def start(
    arguments: Sequence[str],
    folder: Path,
    environment: Mapping[str, str],
    output: IO[bytes] | int,
    errors: IO[bytes] | int,
    *,
    fresh: bool = False,
) -> subprocess.Popen[bytes] | Process:
    """Start `python -m` with these arguments, without standard input; where it is `fresh`, as a new interpreter."""
    environment = {**environment, "PYTHONPATH": str(ROOT)}
    forker = None if fresh else _forker(environment)
    if forker is None:
        return subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-m", *arguments],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=errors,
        )
    with Path(os.devnull).open("rb") as nothing:
        files = [nothing.fileno(), *(one if isinstance(one, int) else one.fileno() for one in (output, errors))]
        return forker.fork(arguments, folder, environment, files)


def write_program(path: Path) -> None:
    """Write a program `blockd`, for shells, that is forked."""
    forker = _forker(os.environ)
    python = sys.executable if forker is None else forker.python
    path.write_text(f'#!/bin/sh\nexec "{python}" -m blockd "$@"\n', encoding="utf-8")
    path.chmod(0o755)


# Instead of Python, for `-m MODULE …`: it stands for a process that it has had forked, passes signals on, and ends as
# that ends. A child of the daemon is killed with its parent, as it would see to itself.
_ASKING = f"""
import os, signal, socket, sys

def ask(address, engine, python):
    if os.environ.get({ENGINE!r}, "") != engine or sys.argv[2].endswith("diff_child"):  # it knows its parent
        os.execv(python, [python, *sys.argv[1:]])
    import json

    if sys.argv[2].startswith("blockd.daemon."):
        import ctypes
        ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)
    connection = socket.socket({KIND[0]:d}, {KIND[1]:d})
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, {2 * MAX_REQUEST})
    connection.connect(address)
    request = json.dumps([sys.argv[2:], os.getcwd(), dict(os.environ)])
    socket.send_fds(connection, [request.encode()], [0, 1, 2])
    pid = int(connection.recv(64))
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda number, _frame: os.kill(pid, number))
    code = int(connection.recv(64))
    sys.exit(code if code >= 0 else 128 - code)
"""


def _deciding(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that may not differ from those of the process that forks."""
    return {key: value for key, value in environment.items() if key.startswith(_OWN) and key != "PYTHONPATH"}


class _Server:
    """The loop of the process that forks. `serve` returns in each process that is forked, with its arguments."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._asked: dict[int, socket.socket] = {}  # who asked for a process, by its id

    def serve(self) -> list[str]:
        """Fork until the tests have ended; return the arguments in what is forked, nothing at the end."""
        ended, woken = socket.socketpair()
        for end in (ended, woken):
            end.setblocking(False)
        signal.set_wakeup_fd(woken.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
        while True:
            asked = {connection.fileno(): pid for pid, connection in self._asked.items()}
            readable, _, _ = select.select([self._socket.fileno(), ended.fileno(), 0, *asked], [], [])
            for number in asked.keys() & readable:  # who asked has ended
                _end(asked[number])
            if 0 in readable:  # the tests have ended
                return []
            if self._socket.fileno() in readable:
                connection, _ = self._socket.accept()
                request, files, _, _ = socket.recv_fds(connection, MAX_REQUEST, 3)
                if request and self._fork(connection, files):
                    ended.close()
                    woken.close()
                    return _become(files, *json.loads(request))
            if ended.fileno() in readable:
                ended.recv(4096)
                self._reap()

    def _fork(self, connection: socket.socket, files: Sequence[int]) -> bool:
        """Fork; return whether this is the new process."""
        pid = os.fork()
        if pid == 0:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            for sock in (self._socket, connection, *self._asked.values()):
                sock.close()
            return True
        self._asked[pid] = connection
        _tell(connection, pid)
        for number in files:
            os.close(number)
        return False

    def _reap(self) -> None:
        for pid in list(self._asked):
            found, status = os.waitpid(pid, os.WNOHANG)
            if found:
                with self._asked.pop(pid) as connection:
                    _tell(connection, os.waitstatus_to_exitcode(status))


def _end(pid: int) -> None:
    """Kill a child that was not waited for, and so still has its process id."""
    os.kill(pid, signal.SIGKILL)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)


def _tell(connection: socket.socket, number: int) -> None:
    with contextlib.suppress(OSError):  # nobody waits for it any more
        connection.send(b"%d" % number, socket.MSG_NOSIGNAL)


def _become(files: Sequence[int], arguments: list[str], folder: str, environment: dict[str, str]) -> list[str]:
    """Be the process that was asked for; return its arguments."""
    for wanted, number in enumerate(files):
        os.dup2(number, wanted)
        os.close(number)
    os.chdir(folder)
    _mark(environment.get(MARK, ""))
    for name in set(os.environ) - set(environment):
        del os.environ[name]
    os.environ.update(environment)
    time.tzset()
    for name, number in (("stdout", 1), ("stderr", 2)):
        before = getattr(sys, name)
        stream = os.fdopen(number, "w", encoding=before.encoding, errors=before.errors, closefd=False)
        stream.reconfigure(line_buffering=number == 2 or stream.isatty())
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
    return arguments


def _mark(mark: str) -> None:
    """Write a mark over the one that this process was started with, where /proc/PID/environ shows it."""
    stat = Path("/proc/self/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
    start, end = int(stat[_ENV_START]), int(stat[_ENV_END])
    place = ctypes.string_at(start, end - start).index(f"{MARK}=".encode()) + len(f"{MARK}=")
    assert len(mark) <= MAX_MARK
    ctypes.memmove(start + place, mark.encode().ljust(MAX_MARK, b"-"), MAX_MARK)


def _parse_suffixes_once() -> None:
    """Parse the installed list of public suffixes once for all processes: each compile and start needs them."""
    lists: Any = importlib.import_module("blockd.ruleset.gate.lists")
    lists.parse_suffixes = parsed = functools.cache(lists.parse_suffixes)
    parsed(lists._INSTALLED.read_text(encoding="utf-8-sig"))


def main() -> None:
    """Import, then fork on demand; in what is forked, run a module as `python -m` does."""
    for module in IMPORTED:
        importlib.import_module(module)
    _parse_suffixes_once()
    gc.freeze()  # collections in what is forked would copy what is shared
    number, python = sys.argv[1:]
    arguments = _Server(socket.socket(fileno=int(number))).serve()
    if arguments:
        sys.executable = python  # so that what it starts is forked as well
        sys.argv = arguments
        warnings.filterwarnings("ignore", "'.*' found in sys.modules", RuntimeWarning)  # as it should be
        runpy.run_module(arguments[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
