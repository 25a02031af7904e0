"""The part of systemd that a service talks to: what it is told, and the descriptors that it keeps over a restart."""

from __future__ import annotations

import os
import socket
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tests.daemon.harness import Daemon, until
from tests.places import ROOT

_CREDENTIALS = struct.Struct("3i")  # struct ucred: pid, uid, gid
_MOST = 253  # descriptors with one message
# What systemd does between fork and exec: the descriptors stand from 3 on, and the variables name this process.
_EXEC = """
import fcntl, os, sys
given = [int(one) for one in sys.argv[1].split(",") if one]
moved = [fcntl.fcntl(one, fcntl.F_DUPFD, 500) for one in given]
for place, one in enumerate(moved):
    os.dup2(one, 3 + place)
    os.close(one)
os.closerange(3 + len(moved), 500)
if moved:
    os.environ["LISTEN_PID"] = str(os.getpid())
os.execv(sys.executable, [sys.executable, *sys.argv[2:]])
"""


class Systemd:
    """A service manager at a socket, at a path or an abstract one; used as a context it lets go of all at the end."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.told: list[tuple[int, dict[str, str]]] = []  # each datagram: by which process, and its assignments
        self.kept: dict[str, list[int]] = {}  # descriptors by FDNAME
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self._socket.bind(f"\0{address[1:]}" if address.startswith("@") else address)

    def __enter__(self) -> Systemd:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()
        self.let_go()

    def let_go(self) -> None:
        """Close what is kept, as systemd does when a service is stopped."""
        for descriptor in (one for kept in self.kept.values() for one in kept):
            os.close(descriptor)
        self.kept = {}

    def launch(self, daemon: Daemon) -> None:
        """Start a daemon as a service, with what is kept."""
        daemon.write_config()
        given = [(name, one) for name, kept in self.kept.items() for one in kept]
        environment = {**os.environ, **daemon.marked(), **daemon.variables, "NOTIFY_SOCKET": self.address}
        if given:
            environment["LISTEN_FDS"] = str(len(given))
            environment["LISTEN_FDNAMES"] = ":".join(name for name, _ in given)
        numbers = [one for _, one in given]
        command = [sys.executable, "-c", _EXEC, ",".join(map(str, numbers)), "-m", "blockd", "run"]
        with (daemon.folder / "stderr").open("ab") as errors, (daemon.folder / "stdout").open("wb") as output:
            daemon.process = subprocess.Popen(  # noqa: S603 - our own program
                [*command, "--config", str(daemon.config)], cwd=daemon.folder, stdout=output, stderr=errors,
                env={**environment, "PYTHONPATH": str(ROOT)}, pass_fds=numbers,
            )  # fmt: skip

    def hear(self) -> None:
        """Take what has been told since."""
        while True:
            try:
                data, extra, _, _ = self._socket.recvmsg(1 << 16, socket.CMSG_SPACE(_MOST * 4) + 64)
            except BlockingIOError:
                return
            pid, descriptors = 0, list[int]()
            for _, kind, octets in extra:
                if kind == socket.SCM_CREDENTIALS:
                    pid = _CREDENTIALS.unpack(octets[: _CREDENTIALS.size])[0]
                elif kind == socket.SCM_RIGHTS:
                    descriptors += struct.unpack(f"{len(octets) // 4}i", octets)
            told = dict(line.split("=", 1) for line in data.decode().split("\n"))
            self._keep(told, descriptors)
            self.told.append((pid, told))

    def _keep(self, told: dict[str, str], descriptors: list[int]) -> None:
        name = told.get("FDNAME", "stored")
        if "FDSTOREREMOVE" in told:
            for one in self.kept.pop(name, []):
                os.close(one)
        elif "FDSTORE" in told:
            self.kept.setdefault(name, []).extend(descriptors)
        assert "FDSTORE" in told or not descriptors

    def values(self, name: str) -> list[str]:
        """Return what a variable was told to be, each time."""
        self.hear()
        return [told[name] for _, told in self.told if name in told]

    def wait_for(self, name: str, count: int = 1, like: Callable[[str], bool] = lambda _: True) -> str:
        """Wait until a variable was told so often, with values that are meant; return the last of these."""

        def found() -> list[str]:
            return [value for value in self.values(name) if like(value)]

        until(lambda: len(found()) >= count, f"{name} is told {count} times")
        return found()[-1]


def at(folder: Path) -> Systemd:
    """Return one whose socket is in a folder."""
    return Systemd(str(folder / "notify"))
