"""Local overrides in a running daemon: at once, until their second, over restarts, and never by accident."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.break_in import NEEDS_ROOT, attempted, become_nobody, let_through
from tests.daemon.harness import Daemon, everywhere, request, until
from tests.daemon.publisher import Publisher
from tests.upstream import UpstreamSimulator

SINKHOLE = ["127.0.0.1"]


@pytest.fixture
def daemon(tmp_path: Path, resolver: UpstreamSimulator) -> Iterator[Daemon]:
    """A daemon that blocks open-1.example by an order."""
    publisher = Publisher(tmp_path / "authority")
    publisher.order("order-1", ["open-1.example"])
    publisher.publish()
    with Daemon(tmp_path / "daemon", publisher.feed(), upstream=resolver.address) as running:
        yield running


def add(daemon: Daemon, end: datetime, **more: str) -> dict[str, object]:
    asked = {"name": "open-1.example", "reason": "Court order 7", "until": end.strftime("%Y-%m-%dT%H:%M:%SZ"), **more}
    status, told = daemon.post("/api/override", {"add": asked})
    assert status == 200, told
    return told


def tomorrow() -> datetime:
    return datetime.now(UTC) + timedelta(days=1)


def test_override_is_enforced_at_once_and_ends_on_its_second(daemon: Daemon) -> None:
    end = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=7)
    told = add(daemon, end)
    assert told["outcome"] == "enforced"
    assert told["before"] == {"verdict": "sinkhole", "why": "an order in force covers the name"}
    assert daemon.ask("open-1.example").addresses == ["192.0.2.1"]
    assert daemon.lookup("open-1.example")["verdict"] == "allow"
    assert daemon.status()["overrides"][0]["name"] == "open-1.example"
    everywhere(lambda: daemon.ask("open-1.example").addresses == SINKHOLE, "it has ended")
    assert time.time() >= end.timestamp()
    assert daemon.status()["overrides"] == []


@NEEDS_ROOT
def test_a_local_user_cannot_lift_a_block(daemon: Daemon) -> None:
    let_through(daemon.folder)  # it is the daemon that closes its socket to others
    assert not attempted(lambda: daemon.by_socket("GET", "/healthz").__enter__(), become_nobody)
    asked = {"name": "open-1.example", "reason": "why", "until": f"{tomorrow():%Y-%m-%d}"}

    def statuses(authorization: str) -> list[int]:
        found = []
        for path, body in (("/api/override", {"add": asked}), ("/api/cache/flush", {"all": True})):
            headers = {"Content-Type": "application/json", "Authorization": authorization}
            with request("POST", daemon.admin_port, path, headers, json.dumps(body)) as response:
                found.append(response.status)
        return found

    assert attempted(lambda: statuses("") == statuses("Bearer guess") == [401, 401], become_nobody)
    assert daemon.ask("open-1.example").addresses == SINKHOLE
    assert daemon.status()["overrides"] == []
    assert daemon.metric("blockd_admin_refused_total") == 4
    assert attempted(lambda: request("GET", daemon.admin_port, "/api/status").__enter__().status == 200, become_nobody)


def test_override_is_kept_over_a_restart_and_ended_by_hand(daemon: Daemon) -> None:
    done = daemon.run_verb("override", "add", "open-1.example", "--reason", "why", "--until", f"{tomorrow():%Y-%m-%d}")
    assert done.returncode == 0, done.stderr
    daemon.stop()
    daemon.start()
    assert daemon.first_answer("open-1.example").addresses == ["192.0.2.1"]
    listed = daemon.run_verb("override", "list")
    assert (listed.returncode, "open-1.example (both): in force" in listed.stdout) == (0, True)
    assert daemon.run_verb("override", "end", "open-1.example", "--reason", "settled").returncode == 0
    assert daemon.ask("open-1.example").addresses == SINKHOLE
    assert daemon.run_verb("override", "end", "open-1.example", "--reason", "again").returncode == 2
    kinds = daemon.run_verb("audit", "--kind", "override", "--kind", "override-ended").stdout
    assert "why" in kinds
    assert "settled" in kinds


def test_override_is_kept_when_all_is_compiled_anew(daemon: Daemon) -> None:
    add(daemon, tomorrow())
    daemon.stop()
    shutil.rmtree(daemon.state_dir / "rulesets")
    daemon.start()
    until(daemon.is_ready, "the orders are enforced again")
    assert daemon.ask("open-1.example").addresses == ["192.0.2.1"]
    assert daemon.lookup("open-1.example")["verdict"] == "allow"


def test_override_is_kept_when_a_list_beside_it_changes(daemon: Daemon) -> None:
    add(daemon, tomorrow())
    feed = daemon.folder / "hosts"
    feed.write_text("0.0.0.0 other.example\n", encoding="ascii")
    daemon.stop()
    daemon.settings["feeds"] = [*daemon.settings["feeds"], {"name": "own", "type": "hosts", "path": str(feed)}]  # type: ignore[misc]
    daemon.start()
    until(lambda: daemon.ask("other.example").addresses == SINKHOLE, "the new feed is enforced")
    assert daemon.ask("open-1.example").addresses == ["192.0.2.1"]


def test_damaged_file_changes_nothing_and_is_told(daemon: Daemon) -> None:
    add(daemon, tomorrow())
    path = daemon.state_dir / "overrides.json"
    good = path.read_bytes()
    path.write_bytes(b"damaged")
    daemon.post("/api/refresh", {"feeds": ["overrides"]})
    assert daemon.ask("open-1.example").addresses == ["192.0.2.1"]
    alarms = {alarm["name"]: alarm for alarm in daemon.status()["alarms"]}
    assert "is damaged" in alarms["BlockdFeedRefused"]["what"]
    status, told = daemon.post("/api/override", {"end": {"name": "open-1.example", "reason": "why"}})
    assert (status, "Nothing was changed" in told["error"]) == (400, True)
    path.write_bytes(good)
    daemon.post("/api/refresh", {"feeds": ["overrides"]})
    assert daemon.alarms() == []


NO_OVERRIDES: list[dict[str, object]] = [
    {}, {"add": {}}, {"add": {"name": "a.example", "reason": "why"}}, {"remove": {"name": "a.example"}},
    {"add": {"name": "a.example", "reason": "why", "until": "2020-01-01"}},
    {"add": {"name": "a.example", "reason": "why", "until": "never"}},
    {"add": {"name": "example", "reason": "why", "until": "2099-01-01"}},
    {"end": {"name": "open-1.example", "reason": ""}}, {"end": {"name": "open-1.example", "reason": "why"}},
]  # fmt: skip


def test_what_is_no_override_is_refused_and_changes_nothing(daemon: Daemon) -> None:
    for body in NO_OVERRIDES:
        status, told = daemon.post("/api/override", body)
        assert status == 400
        assert told["error"]
    assert not (daemon.state_dir / "overrides.json").exists()
    assert daemon.status()["ruleset"]["version"] == 1
