"""The audit log of a running daemon: what is in it, who is not, and that it outlives any end."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from blockd.audit.verifying import Verified, verify_log
from tests.daemon.harness import Daemon, everywhere, until, write_list
from tests.daemon.publisher import Publisher
from tests.upstream import UpstreamSimulator


@pytest.fixture
def daemon(tmp_path: Path, publisher: Publisher, resolver: UpstreamSimulator) -> Iterator[Daemon]:
    running = Daemon(tmp_path / "daemon", publisher.feed(), upstream=resolver.address)
    running.start()
    try:
        yield running
        if running.process is not None:  # a test may have stopped it, to look at what is left
            running.stop()
    finally:
        running.destroy()


def records(daemon: Daemon, *more: str) -> list[dict[str, Any]]:
    """Return what the log has."""
    return [json.loads(line) for line in daemon.run_verb("audit", "--json", *more).stdout.splitlines()]


def kinds(daemon: Daemon, *more: str) -> list[str]:
    return [record["kind"] for record in records(daemon, *more)]


def verify(daemon: Daemon, publisher: Publisher) -> Verified:
    return verify_log(daemon.state_dir / "audit.db", {"ministry": [publisher.root.read_bytes()]})


def test_everything_that_counts_is_recorded_and_nothing_about_clients(daemon: Daemon, publisher: Publisher) -> None:
    at = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=2)
    publisher.lift("order-1", at)
    publisher.order("order-2", ["open-2.example"])
    publisher.publish()
    everywhere(lambda: daemon.ask("open-2.example").addresses == ["127.0.0.1"], "the news are enforced")
    daemon.ask("asked.example")
    everywhere(lambda: daemon.ask("listed.example").addresses != ["127.0.0.1"], "the order is lifted")
    assert daemon.run_verb("rollback", "1", "--reason", "to see").returncode == 0
    assert daemon.run_verb("rollback", "--release", "--reason", "seen").returncode == 0
    good = publisher.out.rename(publisher.out.with_name("good"))
    until(lambda: daemon.feed("ministry")["refusal"], "the repository is gone")
    good.rename(publisher.out)
    until(lambda: daemon.feed("ministry")["refusal"] is None, "it is back")
    daemon.stop()
    found = kinds(daemon)
    assert found[0] == "start"
    assert found[-1] == "stop"
    assert {"enforced", "self-test", "order", "rollback", "release", "refused", "good-again"} <= set(found)
    told = [record["body"] for record in records(daemon, "--order", "order-1")]
    assert [state for state, _ in groupby(body["state"] for body in told)][:2] == ["in force", "lifted"]
    lifted = next(body for body in told if body["state"] == "lifted")
    assert lifted["change"] == "lifted"
    assert lifted["seconds"] >= 0
    assert "within" in daemon.run_verb("audit", "--order", "order-2").stdout
    octets = (daemon.state_dir / "audit.db").read_bytes()
    assert b"asked.example" not in octets
    assert b"127.0.0.1" not in octets
    assert verify(daemon, publisher).problem == ""
    assert daemon.run_verb("audit", "verify").returncode == 0


def test_metric_tells_imposing_from_lifting(daemon: Daemon, publisher: Publisher) -> None:
    def count(change: str) -> float:
        return daemon.metric("blockd_order_to_enforcement_seconds_count", change=change)

    assert (count("imposed"), count("lifted")) == (0, 0)
    publisher.order("order-2", ["open-2.example"])
    publisher.publish()
    until(lambda: count("imposed") == 1, "the new order is measured")
    publisher.lift("order-1", datetime.now(UTC) - timedelta(seconds=1))
    publisher.publish()
    until(lambda: count("lifted") == 1, "the lifting is measured")
    assert count("imposed") == 1


def test_log_is_whole_whenever_the_daemon_is_killed(
    tmp_path: Path, publisher: Publisher, resolver: UpstreamSimulator
) -> None:
    dice = random.Random(7)  # noqa: S311 - the same moments each time
    write_list(tmp_path / "list", ["a.example"])
    national = {"name": "national", "type": "domains", "path": str(tmp_path / "list"), "interval": "100ms"}
    daemon = Daemon(
        tmp_path / "daemon", publisher.feed(), national, upstream=resolver.address, gate={"max_shrink": "100%"}
    )
    records = 0
    for turn in range(6):
        daemon.launch()
        until(lambda: (daemon.state_dir / "audit.db").exists(), "the log has begun")
        end = time.monotonic() + dice.uniform(0.0, 1.5)
        while time.monotonic() < end:
            write_list(tmp_path / "list", [f"name-{turn}-{dice.random()}.example"])
            publisher.order(f"order-{turn}", [f"{dice.randrange(10**9)}.example"])
            publisher.publish()
        daemon.destroy()
        told = verify(daemon, publisher)
        assert told.problem == "", told
        assert told.records >= records
        records = told.records
    with daemon:
        until(daemon.is_ready, "it enforces")
        assert daemon.status()["audit"]["trouble"] is None
    assert verify(daemon, publisher).problem == ""
    assert not list(daemon.state_dir.glob("audit.db.damaged*"))
    first, *later = daemon.recorded("start")
    assert first["last_alive"] is None
    assert all(begun["last_alive"] for begun in later)
    assert "ended without a record, and was last seen alive at" in daemon.run_verb("audit", "--kind", "start").stdout
    with daemon:
        pass
    if "did not end in time" not in daemon.log:  # as it does not on a machine that pauses
        assert daemon.recorded("start")[-1]["last_alive"] is None, "the one before was stopped: " + daemon.log


def test_control_process_that_is_killed_goes_on_with_the_chain(daemon: Daemon, publisher: Publisher) -> None:
    control = daemon.control_pid()
    os.kill(control, signal.SIGKILL)
    until(lambda: daemon.control_pid() != control and kinds(daemon).count("start") == 2, "another has begun")
    assert [(begun["of"], begun["last_alive"]) for begun in daemon.recorded("start")] == [
        ("daemon", None),
        ("control process", None),
    ], "the workers went on"
    assert verify(daemon, publisher).problem == ""


def test_damaged_log_is_an_alarm_and_enforcing_goes_on(daemon: Daemon, publisher: Publisher) -> None:
    daemon.stop()
    (daemon.state_dir / "audit.db").write_bytes(b"damaged" * 1000)
    assert daemon.run_verb("audit").returncode == 1
    assert daemon.run_verb("audit", "verify").returncode == 1
    daemon.start()
    assert daemon.ask("listed.example").addresses == ["127.0.0.1"]
    alarms = {alarm["name"]: alarm["severity"] for alarm in daemon.status()["alarms"]}
    assert alarms["BlockdAuditFailed"] == "critical"
    assert daemon.metric("blockd_audit_failed") == 1
    assert kinds(daemon)[:2] == ["new-chain", "start"]
    assert len(list(daemon.state_dir.glob("audit.db.damaged-*"))) == 1
    assert verify(daemon, publisher).problem == ""


def test_statement_tells_what_is_enforced_and_is_verified(daemon: Daemon, tmp_path: Path) -> None:
    statement, key = tmp_path / "statement.json", tmp_path / "key.pem"
    assert daemon.run_verb("audit", "statement", "--out", str(statement)).returncode == 0
    key.write_text(daemon.run_verb("audit", "key").stdout)
    done = daemon.run_verb("audit", "verify", "--statement", str(statement), "--key", str(key), "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["version"] == 1
    assert [order["id"] for order in told["orders"]] == ["order-1"]
    assert told["orders"][0]["since"]
    assert [worker["enforces"] for worker in told["workers"]] == [1, 1]
    assert told["self_test"]["failure"] is None
    assert told["audit"]["number"] > 0
    statement.write_text(statement.read_text().replace('"version":1', '"version":2'))
    done = daemon.run_verb("audit", "verify", "--statement", str(statement), "--key", str(key))
    assert (done.returncode, "signature is not valid" in done.stderr) == (1, True)


def test_name_is_proved_while_the_daemon_runs_and_when_it_is_down(daemon: Daemon, tmp_path: Path) -> None:
    running = daemon.run_verb("audit", "prove", "www.listed.example", "now")
    assert (running.returncode, "was blocked" in running.stdout) == (0, True)
    assert daemon.run_verb("audit", "prove", "open-3.example", "now").returncode == 1
    moments = []

    def is_proved() -> bool:
        moments.append(datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))
        return daemon.run_verb("audit", "prove", "listed.example", moments[-1]).returncode == 0

    until(is_proved, "a whole second has begun since the record")
    moment = moments[-1]
    daemon.stop()
    done = daemon.run_verb("audit", "prove", "listed.example", moment, "--export", str(tmp_path / "proof"))
    assert done.returncode == 0, done.stderr
    shutil.rmtree(daemon.state_dir / "rulesets")
    proved = daemon.run_verb("audit", "prove", "listed.example", moment).stdout
    assert "listed.example was blocked" in proved
    assert "proved by signatures, verified again" in proved
    assert daemon.run_verb("audit", "prove", "listed.example", "yesterday").returncode == 2
