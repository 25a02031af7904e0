"""Ports below 1024 after blockd has become another user: what a reload and an upgrade add is listened on."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from blockd.daemon.rights.capabilities import CAP_NET_BIND_SERVICE
from tests.break_in import NEEDS_ROOT
from tests.daemon.harness import Daemon, until, write_list

pytestmark = NEEDS_ROOT
USER = "daemon"  # whom every machine has
BLOCKED = "blocked.example"
SINKHOLE = ["127.0.0.1"]


def low_port() -> int:
    """Return a port below 1024 that no program has, over UDP and TCP."""
    for port in range(1000, 700, -1):
        with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
            try:
                tcp.bind(("127.0.0.1", port))
                udp.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("no port is free")


@pytest.fixture
def daemon() -> Iterator[Daemon]:
    folder = Path(tempfile.mkdtemp(prefix="blockd-low-"))
    folder.chmod(0o755)  # the user may enter
    (folder / "node" / "state").mkdir(parents=True)
    shutil.chown(folder / "node" / "state", USER)
    write_list(folder / "list", [BLOCKED])
    feed = {"name": "one", "type": "domains", "path": str(folder / "list")}
    try:
        with Daemon(folder / "node", feed, user=USER, fresh=True) as running:
            until(running.is_ready, "every worker enforces the list")
            yield running
    finally:
        shutil.rmtree(folder)


def adds(daemon: Daemon) -> None:
    """Have a reload add a low port, which is asked then."""
    port = low_port()
    daemon.listen["dns"] = [f"127.0.0.1:{daemon.dns_port}", f"127.0.0.1:{port}"]
    daemon.reload()
    before, daemon.dns_port = daemon.dns_port, port
    try:
        assert daemon.ask(BLOCKED).addresses == SINKHOLE
    finally:
        daemon.dns_port = before


def rights(pid: int) -> tuple[int, int]:
    """Return whose process this is, and which capabilities it may use."""
    status = dict(
        line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":\t" in line
    )
    return int(status["Uid"].split()[1]), int(status["CapEff"], 16)


def test_a_reload_adds_a_low_port_by_the_right_that_the_supervisor_alone_has(daemon: Daemon) -> None:
    adds(daemon)
    uid, own = rights(daemon.pid)
    assert (uid != 0, own) == (True, 1 << CAP_NET_BIND_SERVICE)
    assert {rights(child) for child in daemon.children()} == {(uid, 0)}


def test_an_upgrade_keeps_the_right_for_the_next_reload(daemon: Daemon) -> None:
    try:
        subprocess.run([sys.executable, "-c", ""], user=USER, check=True)
    except (PermissionError, subprocess.CalledProcessError):
        pytest.skip("the interpreter lies where only root may execute it")
    adds(daemon)
    done = daemon.run_verb("upgrade")
    assert done.returncode == 0, done.stdout + done.stderr
    adds(daemon)
    uid, own = rights(daemon.pid)
    assert (uid != 0, own) == (True, 1 << CAP_NET_BIND_SERVICE)
