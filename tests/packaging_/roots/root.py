"""A root of its own, as a small Debian system has it just installed, in which commands run as they would there.

Commands without `sealed` reach the network, for packages. What is `sealed` runs in namespaces of the root's own: it has
a network with nothing but loopback, all of whose ports it may bind, and ends with the root.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO

import pytest

from tests.effort import LONG

PROGRAMS = {"mmdebstrap": "mmdebstrap", "unshare": "util-linux", "nsenter": "util-linux", "ip": "iproute2"}
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
PATIENCE = 120.0  # seconds for what a test waits for
MADE_IN = 1200.0  # seconds for a command in a root: one compiles the engine, on a machine that does other things


def skip_unless_possible() -> None:
    """Skip the test that asks, with its reason, where no root can be made."""
    if not LONG:
        pytest.skip("takes minutes and the network: `make rehearse` runs it")
    if os.geteuid() != 0:
        pytest.skip("only root may change its root")
    for program, package in PROGRAMS.items():
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not on this machine (Debian: {package})")


class Root:
    """One root."""

    def __init__(self, folder: Path, holder: int) -> None:
        self.folder = folder
        self._holder = holder  # the process that keeps the namespaces
        self._started: list[subprocess.Popen[bytes]] = []

    def path(self, inside: str) -> Path:
        """Return where a path of the root lies outside of it."""
        return self.folder / inside.lstrip("/")

    def run(
        self, *command: str, sealed: bool = True, variables: Mapping[str, str] | None = None, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in the root to its end."""
        done = subprocess.run(  # noqa: S603 - a root of the test's own
            self._inside(command, sealed),
            env=self._variables(variables),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=MADE_IN,
            check=False,
        )
        if check:
            assert done.returncode == 0, f"{command}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
        return done

    def start(
        self, *command: str, output: IO[bytes], variables: Mapping[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        """Start a sealed command."""
        process = subprocess.Popen(  # noqa: S603 - a root of the test's own
            self._inside(command, True),
            env=self._variables(variables),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        self._started.append(process)
        return process

    def wait(self) -> None:
        """Wait for the end of everything that was started."""
        while self._started:
            self._started.pop().wait(PATIENCE)

    def beside(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a program of this machine in the network of what is sealed."""
        entered = ["nsenter", f"--net=/proc/{self._holder}/ns/net", *command]
        return subprocess.run(entered, capture_output=True, text=True, timeout=MADE_IN, check=False)  # noqa: S603

    def start_beside(self, *command: str) -> subprocess.Popen[str]:
        """Start one, whose output is read at its end."""
        entered = ["nsenter", f"--net=/proc/{self._holder}/ns/net", *command]
        return subprocess.Popen(entered, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)  # noqa: S603

    def _inside(self, command: Sequence[str], sealed: bool) -> list[str]:
        enter: list[str] = []
        if sealed:
            enter = ["nsenter", "--target", str(self._holder), "--mount", "--net", "--pid", "--uts", "--ipc", "--"]
        return [*enter, "chroot", str(self.folder), *command]

    @staticmethod
    def _variables(more: Mapping[str, str] | None) -> dict[str, str]:
        return {"PATH": PATH, "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive", **(more or {})}


@contextlib.contextmanager
def made(folder: Path, suite: str, packages: Sequence[str] = ()) -> Iterator[Root]:
    """A root with what is essential and `packages`; its package lists stay, so that apt can install more."""
    log = folder.with_name(f"{folder.name}.log")
    make = ["mmdebstrap", "--mode=root", "--variant=minbase", "--skip=cleanup/apt", suite, str(folder)]
    if packages:
        make.insert(1, f"--include={','.join(packages)}")
    with log.open("wb") as output:
        done = subprocess.run(make, stdout=output, stderr=output, check=False)  # noqa: S603 - Debian's own program
    if done.returncode != 0:
        pytest.skip(f"no root of {suite} can be made here: {log.read_text('utf-8').splitlines()[-1:]}")
    try:
        with _namespaces(folder) as holder:
            yield Root(folder, holder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _namespaces(folder: Path) -> Iterator[int]:
    """Namespaces with the root's /proc and /dev mounted, and the process that keeps them; all in them ends with it."""
    ready = folder.with_name(f"{folder.name}.ready")
    prepare = (
        f"mount -t proc proc {folder}/proc && mount --rbind /dev {folder}/dev && ip link set lo up"
        f" && echo 0 > /proc/sys/net/ipv4/ip_unprivileged_port_start && touch {ready} && {{ sleep infinity & wait; }}"
    )  # the shell, as the first process, waits for orphans, too
    command = ["unshare", "--mount", "--net", "--pid", "--uts", "--ipc", "--fork", "--kill-child", "--mount-proc"]
    outer = subprocess.Popen([*command, "sh", "-c", prepare])  # noqa: S603 - the line above
    try:
        deadline = time.monotonic() + PATIENCE
        while not ready.exists():
            assert outer.poll() is None, "no namespaces can be made"
            assert time.monotonic() < deadline, "no namespaces in time"
            time.sleep(0.01)
        children = Path(f"/proc/{outer.pid}/task/{outer.pid}/children").read_text("ascii")
        yield int(children.split()[0])
    finally:
        outer.send_signal(signal.SIGKILL)
        outer.wait()
