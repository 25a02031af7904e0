"""A start that cannot be done says all that is wrong, and leaves everything as it was."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pwd
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import pytest

from blockd.daemon.rights.capabilities import CAP_NET_BIND_SERVICE
from tests.daemon.harness import Daemon, blockd, entries_of, until, write_list
from tests.places import ROOT

NOBODY = "nobody"
LISTENING = "0A"  # in /proc/net/tcp
NEEDS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user of the machine can enter."""
    with tempfile.TemporaryDirectory(prefix="blockd-test-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def run(daemon: Daemon) -> subprocess.CompletedProcess[str]:
    """Run the daemon where it must refuse to start."""
    daemon.write_config()
    told = blockd("run", folder=daemon.folder, config=daemon.config)
    assert "Traceback" not in told.stderr
    assert told.stdout == ""
    return told


def test_every_problem_of_the_config_is_told_at_once(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path)
    daemon.settings |= {"workers": 0, "lisen": {}, "upstreams": ["nowhere"], "sinkhole": {"ttl": "soon"}}
    told = run(daemon)
    assert told.returncode == 2
    for path in ("workers: ", "lisen: ", "upstreams[0]: ", "sinkhole.ttl: "):
        assert f"\n  {path}" in told.stderr
    assert told.stderr.count("expected") >= 2
    assert "nothing was started" in told.stderr
    assert not daemon.state_dir.exists()
    _assert_nobody_listens(daemon)


def test_missing_config_is_one_sentence(tmp_path: Path) -> None:
    told = blockd("run", folder=tmp_path, config=tmp_path / "absent.yaml")
    assert told.returncode == 2
    assert "absent.yaml" in told.stderr
    assert "Traceback" not in told.stderr


@pytest.mark.parametrize(
    ("setting", "kind"),
    [
        ("listen.dns", socket.SOCK_DGRAM),
        ("listen.dns", socket.SOCK_STREAM),
        ("listen.block_page.http", socket.SOCK_STREAM),
        ("listen.block_page.https", socket.SOCK_STREAM),
        ("listen.admin", socket.SOCK_STREAM),
    ],
)
def test_port_in_use_is_told_with_its_setting(tmp_path: Path, setting: str, kind: socket.SocketKind) -> None:
    daemon = Daemon(tmp_path)
    ports = {"dns": daemon.dns_port, "http": daemon.http_port, "https": daemon.tls_port, "admin": daemon.admin_port}
    port = ports[setting.rpartition(".")[2]]
    with socket.socket(socket.AF_INET, kind) as holder:
        holder.bind(("127.0.0.1", port))
        if kind == socket.SOCK_STREAM:
            holder.listen()
        told = run(daemon)
    assert told.returncode == 2
    assert f"  {setting}" in told.stderr
    assert f"127.0.0.1:{port} cannot be listened on: another program has this port" in told.stderr
    _assert_nobody_listens(daemon)


def test_second_daemon_on_the_same_state_is_refused_and_the_first_goes_on(tmp_path: Path) -> None:
    write_list(tmp_path / "list", ["listed.example"])
    with Daemon(tmp_path, {"name": "national", "type": "domains", "path": "list"}) as first:
        second = Daemon(tmp_path / "second", state_dir=str(first.state_dir))
        told = run(second)
        assert told.returncode == 2
        assert (
            f"Another blockd (process {first.pid}) is running with the state folder {first.state_dir}." in told.stderr
        )
        assert first.ask("listed.example").addresses == ["127.0.0.1"]
        assert first.is_ready()


def _is_locked(file: BinaryIO) -> bool:
    with contextlib.suppress(OSError):
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False


def test_start_waits_for_the_children_of_a_daemon_that_was_killed(tmp_path: Path) -> None:
    write_list(tmp_path / "list", ["listed.example"])
    first = Daemon(tmp_path, {"name": "national", "type": "domains", "path": "list"})
    first.start()
    worker = first.status()["workers"][0]["pid"]
    os.kill(worker, signal.SIGSTOP)  # it ends all the same
    os.kill(first.pid, signal.SIGKILL)
    assert first.process is not None
    first.process.wait()
    second = Daemon(tmp_path / "second", state_dir=str(first.state_dir))
    held = (first.state_dir / "lock").open("rb")  # as by a child that the kernel cannot end, since it waits for a disk
    try:
        until(lambda: _is_locked(held), "its children have ended")
        told = run(second)
        assert told.returncode == 2
        assert f"Children of a blockd that has ended (process {first.pid}) still hold the state folder" in told.stderr
        second.launch()
        until(lambda: second.processes(), "it has begun")
        assert second.process is not None
        assert second.process.poll() is None, "it waits"
        held.close()
        second.wait_for_banner()
        second.stop()
    finally:
        held.close()
        second.destroy()
        first.destroy()


def test_second_daemon_on_the_same_ports_is_refused(tmp_path: Path) -> None:
    with Daemon(tmp_path / "first") as first:
        second = Daemon(tmp_path / "second")
        second.settings["listen"] = first.listen
        told = run(second)
        assert told.returncode == 2
        for setting in ("listen.dns", "listen.block_page.http", "listen.block_page.https", "listen.admin"):
            assert setting in told.stderr


def test_unknown_user_is_refused(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path)
    daemon.settings["user"] = "no-such-user"
    told = run(daemon)
    assert told.returncode == 2
    assert "user: there is no user 'no-such-user'" in told.stderr


def test_state_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file", encoding="utf-8")
    told = run(Daemon(tmp_path))
    assert told.returncode == 2
    assert f"  state_dir: {tmp_path / 'state'} is not a folder" in told.stderr


@NEEDS_ROOT
@pytest.mark.parametrize("closed", ["", "rulesets"])
def test_state_folder_that_may_not_be_written_is_refused(open_folder: Path, closed: str) -> None:
    daemon = Daemon(open_folder)
    uid = pwd.getpwnam(NOBODY).pw_uid
    for part in ("", "rulesets", "feeds"):
        (daemon.state_dir / part).mkdir(parents=True, exist_ok=True)
        os.chown(daemon.state_dir / part, *((0, 0) if part == closed else (uid, uid)))
    daemon.write_config()
    # As root it could write anything; what Python needs is loaded before it is somebody else.
    script = (
        "import os, pathlib, sys\n"
        "from blockd.daemon.supervisor import Supervisor\n"
        "from blockd.errors import ConfigError\n"
        "from blockd.settings import load\n"
        f"settings = load(pathlib.Path({str(daemon.config)!r}))\n"
        f"os.setgroups([]); os.setresuid({uid}, {uid}, {uid})\n"
        "try:\n    Supervisor(settings, pathlib.Path('config'))\n"
        "except ConfigError as error:\n    sys.exit(str(error))\n"
    )
    told = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", script],
        cwd=open_folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert told.returncode == 1, told.stderr
    assert "  state_dir: " in told.stderr
    assert str(daemon.state_dir / closed) in told.stderr
    assert "Traceback" not in told.stderr


@NEEDS_ROOT
def test_daemon_becomes_its_user_and_keeps_its_ports(open_folder: Path) -> None:
    write_list(open_folder / "list", ["listed.example"])
    daemon = Daemon(open_folder, {"name": "national", "type": "domains", "path": "list"})
    with daemon:
        pass
    daemon.settings["user"] = NOBODY
    daemon.fresh = True  # what it does not import in time that user may not be able to read
    uid = pwd.getpwnam(NOBODY).pw_uid
    told = run(daemon)  # which changes the owner of nothing
    assert f"`chown -R {NOBODY}: {daemon.state_dir}`" in told.stderr
    assert {entry.st_uid for entry in entries_of(daemon.state_dir).values()} == {0}
    shutil.rmtree(daemon.state_dir)
    daemon.state_dir.mkdir()
    os.chown(daemon.state_dir, uid, -1)
    with daemon:
        assert daemon.ask("listed.example").addresses == ["127.0.0.1"]
        assert {Path(f"/proc/{pid}").stat().st_uid for pid in daemon.processes()} == {uid}
        lasting = (entry for path, entry in entries_of(daemon.state_dir).items() if not path.name.startswith("."))
        assert {entry.st_uid for entry in lasting} == {uid}
        for pid in daemon.processes():
            status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
            found = dict(re.findall(r"^(Cap(?:Prm|Eff|Bnd|Amb)|NoNewPrivs|Uid):\s(.+)$", status, re.MULTILINE))
            assert found.pop("Uid").split() == [str(uid)] * 4
            kept = f"{1 << CAP_NET_BIND_SERVICE if pid == daemon.pid else 0:016x}"  # of the supervisor, for a reload
            rights = {"CapPrm": kept, "CapEff": kept, "CapBnd": "0" * 16, "CapAmb": "0" * 16}
            assert found == {**rights, "NoNewPrivs": "1"}
        held = {
            role: {port for pid in daemon.children(role) for port in _bound(pid)} for role in ("w", "page", "control")
        }
        assert held == {
            "w": {daemon.dns_port},
            "page": {daemon.http_port, daemon.tls_port},
            "control": {daemon.admin_port},
        }, "each process holds its own sockets alone"
        assert stat.S_IMODE(daemon.state_dir.stat().st_mode) == 0o750
        modes = {path: entry.st_mode for path, entry in entries_of(daemon.state_dir).items()}
        assert stat.S_IMODE(modes.pop(daemon.state_dir / "admin.sock")) == 0o660  # its group is let in by it
        assert {path: oct(mode) for path, mode in modes.items() if mode & 0o027} == {}
        assert daemon.refresh()["feeds"] == {"national": {"outcome": "unchanged"}}


def _bound(pid: int) -> set[int]:
    """Return the ports that a process has listening sockets of."""
    inodes = set()
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            inodes.add(str(link.readlink()))
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text(encoding="ascii").splitlines()[1:]:
            _, local, _, state, *_ = fields = line.split()
            if state == LISTENING and f"socket:[{fields[9]}]" in inodes:
                found.add(int(local.rpartition(":")[2], 16))
    return found


def _assert_nobody_listens(daemon: Daemon) -> None:
    for port in (daemon.dns_port, daemon.http_port, daemon.tls_port, daemon.admin_port):
        with socket.socket() as sock:
            sock.bind(("127.0.0.1", port))
