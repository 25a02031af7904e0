"""The page on backup and restore: its script copies a running daemon's state, and a daemon goes on from the copy."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.daemon.harness import Daemon, until, write_list
from tests.places import ROOT
from tests.upstream import UpstreamSimulator

PAGE = (ROOT / "docs" / "operator" / "backup-and-restore.md").read_text(encoding="utf-8")
COMMAND_TIME = 60.0  # seconds
OPEN = ["192.0.2.1"]
SINKHOLE = ["127.0.0.1"]


def fence(start: str) -> str:
    """Return the block of the page that begins so."""
    blocks: list[str] = re.findall(r"^```sh\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    (text,) = [block for block in blocks if block.startswith(start)]
    return text


def back_up(state: Path, target: Path) -> None:
    """Copy a state folder as the page does."""
    script = fence("cat > backup.sh ").partition("sh backup.sh var ../backup\n")[0]
    commands = f'{script}sh backup.sh "{state}" "{target}"\n'
    done = subprocess.run(  # noqa: S603 - the page's own commands
        ["/bin/bash", "-euo", "pipefail", "-c", commands],
        cwd=target.parent,
        capture_output=True,
        text=True,
        timeout=COMMAND_TIME,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def restore(daemon: Daemon, backup: Path) -> None:
    """Put a backup in place of the state of a daemon that is stopped, as the page does."""
    daemon.state_dir.rename(daemon.state_dir.with_name("state.before"))
    shutil.copytree(backup, daemon.state_dir)


def said(daemon: Daemon, *verb: str) -> str:
    """Run a verb that must end well; return what it prints."""
    done = daemon.run_verb(*verb)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def daemon(tmp_path: Path) -> Daemon:
    """A daemon that is not started yet, with a list of three names."""
    write_list(tmp_path / "list", ["one.example", "two.example", "three.example"])
    return Daemon(tmp_path / "node", {"name": "national", "type": "domains", "path": str(tmp_path / "list")})


@pytest.fixture
def resolver() -> UpstreamSimulator:
    simulator = UpstreamSimulator()
    simulator.plan("two.example", "A", "two.example. 60 IN A 192.0.2.1")
    return simulator


def test_restored_node_is_the_one_that_was_backed_up(
    tmp_path: Path, daemon: Daemon, resolver: UpstreamSimulator
) -> None:
    until_date = f"{datetime.now(UTC) + timedelta(days=9):%Y-%m-%d}"
    with resolver:
        daemon.settings["upstreams"] = [resolver.address]
        with daemon:
            until(daemon.is_ready, "the list is enforced")
            said(daemon, "override", "add", "two.example", "--reason", "why", "--until", until_date)
            said(daemon, "audit", "statement")
            version, digest = daemon.status()["ruleset"]["version"], daemon.status()["ruleset"]["digest"]
            key, overrides = said(daemon, "audit", "key"), said(daemon, "override", "list")
            assert (daemon.state_dir / "audit.db-wal").stat().st_size > 0, "the copy has to have what is only there"
            back_up(daemon.state_dir, tmp_path / "backup")
            head = json.loads((tmp_path / "backup" / "audit.head").read_bytes())["number"]
            copied = json.loads(said(daemon, "audit", "verify", str(tmp_path / "backup" / "audit.db"), "--json"))
            assert copied["records"] >= head > 0
            # What comes after the backup is lost by the restore, and is told by nothing but what lies outside.
            said(daemon, "override", "end", "two.example", "--reason", "over")
            said(daemon, "audit", "statement", "--out", str(tmp_path / "later.json"))
        restore(daemon, tmp_path / "backup")
        logged = len(daemon.log)
        with daemon:
            assert daemon.first_answer("one.example").addresses == SINKHOLE
            assert daemon.ask("two.example").addresses == OPEN
            status = daemon.status()
            assert (status["ruleset"]["version"], status["ruleset"]["digest"]) == (version, digest)
            assert said(daemon, "audit", "key") == key
            assert said(daemon, "override", "list") == overrides
            said(daemon, "audit", "verify")
            kept = sorted(path.stem.endswith("-asked") for path in (daemon.state_dir / "statements").iterdir())
            assert kept == [False, True], "the one of the backup, and that of the restored node's first start"
            (tmp_path / "node.pub").write_text(key, encoding="ascii")
            later = ("--statement", str(tmp_path / "later.json"), "--key", str(tmp_path / "node.pub"))
            assert "is signed with that key" in said(daemon, "audit", "verify", *later)
            assert "the one before ended without a record" in said(daemon, "audit", "--kind", "start")
        assert "ERROR" not in daemon.log[logged:], daemon.log


def test_without_rulesets_and_lists_what_only_the_node_has_is_restored(
    tmp_path: Path, daemon: Daemon, resolver: UpstreamSimulator
) -> None:
    until_date = f"{datetime.now(UTC) + timedelta(days=9):%Y-%m-%d}"
    with resolver:
        daemon.settings["upstreams"] = [resolver.address]
        with daemon:
            until(daemon.is_ready, "the list is enforced")
            said(daemon, "override", "add", "two.example", "--reason", "why", "--until", until_date)
            key, overrides = said(daemon, "audit", "key"), said(daemon, "override", "list")
            back_up(daemon.state_dir, tmp_path / "backup")
        for part in ("feeds", "rulesets"):
            shutil.rmtree(tmp_path / "backup" / part)
        restore(daemon, tmp_path / "backup")
        with daemon:
            until(lambda: daemon.ask("one.example").addresses == SINKHOLE, "the list is enforced")
            until(lambda: daemon.ask("two.example").addresses == OPEN, "the override is enforced")
            assert said(daemon, "audit", "key") == key
            assert said(daemon, "override", "list") == overrides
            said(daemon, "audit", "verify")
