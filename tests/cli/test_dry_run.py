from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from blockd.cli import main
from blockd.daemon.update.disk_room import RESERVE
from tests.daemon.harness import Daemon, content_of, put, until, write_list
from tests.daemon.publisher import Publisher
from tests.upstream import UpstreamSimulator

NAMES = ["a.example", "b.example", "c.example"]


@pytest.fixture(scope="module")
def resolver() -> Iterator[UpstreamSimulator]:
    with UpstreamSimulator() as simulator:
        simulator.plan("www.new.example", "A", "www.new.example. 60 IN A 192.0.2.1")
        yield simulator


@pytest.fixture
def publisher(tmp_path: Path) -> Publisher:
    return Publisher(tmp_path / "authority")


@pytest.fixture
def daemon(tmp_path: Path, publisher: Publisher, resolver: UpstreamSimulator) -> Iterator[Daemon]:
    """A running daemon with a list and signed orders, which looks at neither by itself any more."""
    write_list(tmp_path / "list", NAMES)
    publisher.order("order-1", ["signed.example"])
    publisher.publish()
    national = {"name": "national", "type": "domains", "path": "list", "interval": "1d"}
    with Daemon(tmp_path, national, publisher.feed(interval="1d"), upstream=resolver.address) as running:
        version = running.status()["ruleset"]["version"]
        record = running.state_dir / "rulesets" / f"{version:06}.json"
        until(lambda: version == 1 or b'"difference": {' in record.read_bytes(), "what it changed is known")
        yield running


def dry_run(daemon: Daemon, capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> str:
    capsys.readouterr()
    assert main(["refresh", "--dry-run", *arguments, "--config", str(daemon.config)]) == code
    return capsys.readouterr().out


def kept(daemon: Daemon) -> dict[Path, bytes]:
    """Return all that is in the state folder, by path, but what a living daemon writes by itself.

    That is its audit, and the file that holds room for the next ruleset.
    """
    found = content_of(daemon.state_dir)
    own = ("audit.", ".audit.", RESERVE)
    return {path: octets for path, octets in found.items() if not path.name.startswith(own)}


def test_what_would_change_is_told_and_nothing_changes(
    daemon: Daemon, publisher: Publisher, capsys: pytest.CaptureFixture[str]
) -> None:
    before, version = kept(daemon), daemon.status()["ruleset"]["version"]
    write_list(daemon.folder / "list", [*NAMES, "new.example"])
    publisher.order("order-2", ["signed-too.example"])
    publisher.publish()
    popular = daemon.folder / "popular"
    popular.write_text("free.example\nwww.new.example\n")
    told = dry_run(daemon, capsys, "--popular", str(popular))
    assert "feed national: new\nfeed ministry: new\n" in told
    assert f"would be enforced: 6 names in place of version {version}\n" in told
    assert "added: 2\n" in told
    assert "  + new.example\n" in told
    assert "order came: order-2 of feed ministry (sinkhole), 1 names\n" in told
    assert "POPULAR: www.new.example (rank 2) is covered now, by new.example\n" in told
    assert told.endswith("This was a dry run: nothing was changed.\n")
    assert kept(daemon) == before
    assert daemon.status()["ruleset"]["version"] == version
    assert daemon.ask("new.example").addresses == []


def test_only_the_feeds_named_are_fetched(daemon: Daemon, capsys: pytest.CaptureFixture[str]) -> None:
    write_list(daemon.folder / "list", [*NAMES, "new.example"])
    told = json.loads(dry_run(daemon, capsys, "ministry", "--json"))
    assert told["feeds"] == {"ministry": {"outcome": "unchanged"}}
    assert told["changes"] is None
    told = json.loads(dry_run(daemon, capsys, "national", "--json"))
    assert told["feeds"] == {"national": {"outcome": "new"}}
    assert (told["names"], told["changes"]["added_names"]) == (5, ["new.example"])
    assert told["version"] == daemon.status()["ruleset"]["version"]


def test_feed_that_would_be_refused_is_exit_code_1(daemon: Daemon, capsys: pytest.CaptureFixture[str]) -> None:
    write_list(daemon.folder / "list", [])
    told = dry_run(daemon, capsys, code=1)
    assert "feed national: refused: it holds 0 names; at least 1 are required (gate.min_names)" in told
    assert "nothing would change; enforced: version " in told
    put(daemon.folder / "list", b"<html>")
    assert "feed national: refused: " in dry_run(daemon, capsys, code=1)
    assert "feed national: " not in daemon.log


def test_dry_run_needs_no_daemon(daemon: Daemon, capsys: pytest.CaptureFixture[str]) -> None:
    daemon.stop()
    write_list(daemon.folder / "list", [*NAMES, "new.example"])
    told = dry_run(daemon, capsys)
    assert "would be enforced: 5 names" in told
    assert "recent traffic: not known" in told
    daemon.start()


def test_dry_run_before_the_first_start_tells_what_would_be_enforced(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_list(tmp_path / "list", NAMES)
    daemon = Daemon(tmp_path, {"name": "national", "type": "domains", "path": "list"})
    daemon.write_config()
    assert "would be enforced: 3 names in place of none" in dry_run(daemon, capsys)
    assert not daemon.state_dir.exists()


def test_share_of_recent_traffic_is_told(daemon: Daemon, capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(400):
        daemon.ask("www.new.example", timeout=8)
    write_list(daemon.folder / "list", [*NAMES, "new.example"])
    told = json.loads(dry_run(daemon, capsys, "--json"))["traffic"]
    assert told["sampled_questions"] > 1
    assert told["share"] == 1.0
    assert told["most"] == [{"name": "new.example", "share": 1.0}]
    shown = dry_run(daemon, capsys)
    assert "recent traffic: the added names are about 100.00% of " in shown
    assert "  100.00% new.example\n" in shown


def test_feed_that_is_not_configured_is_exit_code_2(daemon: Daemon, capsys: pytest.CaptureFixture[str]) -> None:
    dry_run(daemon, capsys, "nobody", code=2)


def test_popular_names_without_a_dry_run_are_exit_code_2(daemon: Daemon, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["refresh", "--popular", "list", "--config", str(daemon.config)]) == 2
    assert "--dry-run" in capsys.readouterr().err
