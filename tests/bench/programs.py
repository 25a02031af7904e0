"""Programs of this machine: finding, running and ending them, each on the core that it is given."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path

from tests.upstream import bound

SYSTEM_FOLDERS = "/usr/local/sbin:/usr/sbin:/sbin"  # where Debian has servers, and users' PATH may not look
RUN_TIME = 900.0  # seconds that a command may take: zones of ten million names are read slowly
STOP_TIME = 20.0  # seconds from SIGTERM to SIGKILL: a large heap is freed slowly
TAIL = 300  # characters of a log that are shown where a program failed


class ProgramFailed(Exception):
    """A program did not do what it was started for; the text says what it said."""


def find(name: str) -> str | None:
    """Return the path of a program, or None if the machine does not have it."""
    return shutil.which(name, path=os.pathsep.join((os.environ.get("PATH", ""), SYSTEM_FOLDERS)))


def pinned(core: int, command: Sequence[str]) -> list[str]:
    """Return a command that runs on one core, as do all its children."""
    return ["taskset", "-c", str(core), *command]


def run(command: Sequence[str], *, text: str = "", stdin: Path | None = None, cwd: Path | None = None) -> str:
    """Run a command and give its output; `text`, or else the file `stdin`, is its input. Raises ProgramFailed."""
    given = stdin.read_text(encoding="utf-8") if stdin else text
    try:
        done = subprocess.run(  # noqa: S603
            command,
            input=given,
            cwd=cwd,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=RUN_TIME,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ProgramFailed(f"{command[0]}: {error}") from error
    if done.returncode:
        raise ProgramFailed(f"{' '.join(command)[:TAIL]} ended with {done.returncode}: {done.stdout[-TAIL:].strip()}")
    return done.stdout


class Daemon:
    """A program that runs until it is stopped; what it says goes to `log`."""

    def __init__(
        self, command: Sequence[str], log: Path, cwd: Path | None = None, environment: Mapping[str, str] | None = None
    ) -> None:
        self._log = log
        self._command = command
        with log.open("ab") as output:
            self._process = subprocess.Popen(  # noqa: S603
                command,
                cwd=cwd,
                env={**os.environ, **(environment or {})},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C ends the benchmark, which then ends its servers
            )

    @property
    def pid(self) -> int:
        """The process id; taskset becomes the program, so that it is the program's."""
        return self._process.pid

    def check(self) -> None:
        """Raise ProgramFailed if the program has ended."""
        if self._process.poll() is not None:
            raise ProgramFailed(f"{self._command[3]} ended with {self._process.returncode}: {self.tail()}")

    def tail(self) -> str:
        """Return the end of what it said, in one line."""
        return " ".join(self._log.read_text(encoding="utf-8", errors="replace")[-TAIL:].split())

    def signal(self, number: int) -> None:
        """Send a signal."""
        self._process.send_signal(number)

    def stop(self) -> None:
        """End it, wait until it is gone, and end what it left behind."""
        self._process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(STOP_TIME)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


def free_port() -> int:
    """Return a port of 127.0.0.1 that is free for UDP and TCP at this moment."""
    return free_ports(1)[0]


def free_ports(count: int) -> list[int]:
    """Return so many of them, no two of which are the same."""
    pairs = [bound("127.0.0.1", listening=False) for _ in range(count)]  # all kept until the last is found
    ports = [tcp.getsockname()[1] for tcp, _ in pairs]
    for sock in chain.from_iterable(pairs):
        sock.close()
    return ports
