from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemon.harness import PATIENCE, Daemon, has_dig, until, write_list
from tests.upstream import UpstreamSimulator

NEEDS_DIG = pytest.mark.skipif(not has_dig(), reason="dig (Debian: bind9-dnsutils) is not installed")


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory, resolver: UpstreamSimulator) -> Iterator[Daemon]:
    folder = tmp_path_factory.mktemp("start")
    write_list(folder / "list", ["listed.example", "other.example", "third.example"])
    feed = {"name": "national", "type": "domains", "path": "list"}
    with Daemon(folder, feed, upstream=resolver.address, fresh=True) as running:
        yield running


def test_start_up_says_where_it_listens(daemon: Daemon) -> None:
    for port in (daemon.dns_port, daemon.http_port, daemon.tls_port, daemon.admin_port):
        assert f"127.0.0.1:{port}" in daemon.banner
    assert str(daemon.config) in daemon.banner


def test_start_up_says_what_is_enforced(daemon: Daemon) -> None:
    assert "Enforced: version 1, 3 names, 1 of 1 orders in force" in daemon.banner
    assert "feed national (domains): 3 names" in daemon.banner


@NEEDS_DIG
def test_both_questions_that_the_start_up_suggests_are_answered(daemon: Daemon) -> None:
    suggested = re.findall(r"^ +(dig @\S+ -p \d+ \S+)$", daemon.banner, re.MULTILINE)
    assert len(suggested) == 2
    told = [_run(line) for line in suggested]
    assert re.search(r"^\S+\.\s+60\s+IN\s+A\s+127\.0\.0\.1$", told[0], re.MULTILINE)
    assert "EDE: 15 (Blocked)" in told[0]
    assert re.search(r"^example\.com\.\s+60\s+IN\s+A\s+192\.0\.2\.200$", told[1], re.MULTILINE)
    assert "EDE" not in told[1]


def test_health_and_readiness_are_ok_after_the_start(daemon: Daemon) -> None:
    assert daemon.get("/healthz")[0] == 200
    assert daemon.get("/readyz")[0] == 200


def test_interrupt_ends_it_as_terminate_does(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path, fresh=True)
    try:
        daemon.start()
        assert daemon.process is not None
        daemon.process.send_signal(2)
        assert daemon.process.wait(PATIENCE) == 0
        until(lambda: daemon.processes() == [], "no process is left")
        daemon.assert_no_fault()
    finally:
        daemon.destroy()


def test_files_that_a_killed_blockd_left_unfinished_are_removed(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path)
    (daemon.state_dir / "rulesets").mkdir(parents=True)
    left = [daemon.state_dir / ".compiled.abcd_123", daemon.state_dir / "rulesets" / ".current.zyxw9876"]
    foreign = daemon.state_dir / ".gitignore"
    for path in (*left, foreign):
        path.write_bytes(b"x")
    with daemon:
        assert not any(path.exists() for path in left)
        assert foreign.exists()


def _run(line: str) -> str:
    return subprocess.run(shlex.split(line), capture_output=True, text=True, timeout=30, check=True).stdout  # noqa: S603
