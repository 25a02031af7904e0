"""Going back to a version: at once, until it is released, whatever is new and whoever is killed on the way."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.daemon.asking import Asking
from tests.daemon.harness import Daemon, everywhere, put, until, write_list
from tests.daemon.publisher import Publisher
from tests.upstream import UpstreamSimulator

SINKHOLE = ["127.0.0.1"]
FIRST = ["listed.example", "open-1.example"]
SECOND = ["listed.example", "open-2.example"]


def daemon_with_two(folder: Path, resolver: UpstreamSimulator, **config: Any) -> Daemon:
    """Return a daemon, not started, whose list is FIRST."""
    folder.mkdir(exist_ok=True)
    write_list(folder / "list", FIRST)
    feed = {"name": "national", "type": "domains", "path": "list", "interval": "100ms"}
    return Daemon(folder, feed, upstream=resolver.address, gate={"max_shrink": "100%"}, **config)


@pytest.fixture
def daemon(tmp_path: Path, resolver: UpstreamSimulator) -> Iterator[Daemon]:
    """A daemon that enforces version 2, the list SECOND, and keeps version 1."""
    with daemon_with_two(tmp_path, resolver) as running:
        publish(running, SECOND)
        running.wait_for_version(2)
        yield running


def publish(daemon: Daemon, names: list[str]) -> None:
    write_list(daemon.folder / "list", names)
    daemon.refresh()


def roll_back(daemon: Daemon, version: int, reason: str = "To see.") -> dict[str, Any]:
    status, told = daemon.post("/api/rollback", {"version": version, "reason": reason})
    assert status == 200, told
    return told


def release(daemon: Daemon) -> dict[str, Any]:
    status, told = daemon.post("/api/rollback", {"release": True, "reason": "Seen."})
    assert status == 200, told
    return told


def enforces(daemon: Daemon, names: list[str]) -> bool:
    """Whether both engines' answers are those of one list and not the other's."""
    blocked = {name for name in ("open-1.example", "open-2.example") if daemon.ask(name).addresses == SINKHOLE}
    return daemon.ask("listed.example").addresses == SINKHOLE and blocked == set(names) - {"listed.example"}


def versions(daemon: Daemon) -> dict[int, dict[str, Any]]:
    """Return what `blockd versions` tells."""
    done = daemon.run_verb("versions", "--json")
    return {told["version"]: told for told in json.loads(done.stdout)["versions"]}


def test_version_is_enforced_within_a_second_and_no_question_is_lost(daemon: Daemon) -> None:
    with Asking(daemon, [("listed.example", SINKHOLE), ("open-5.example", ["192.0.2.5"])]) as asking:
        begun = time.monotonic()
        asking.during(lambda: roll_back(daemon, 1, "the list was bad"))
        assert time.monotonic() - begun < 10  # which is the patience of a test, not a figure
    asking.assert_nothing_lost_or_wrong()
    assert enforces(daemon, FIRST)
    told = daemon.status()
    assert told["ruleset"]["version"] == 1
    assert [worker["enforcing"] for worker in told["workers"]] == [1, 1]
    assert (told["pinned"]["version"], told["pinned"]["reason"]) == (1, "the list was bad")
    assert daemon.metric("blockd_ruleset_pinned") == 1
    assert "Version 1 is pinned (the list was bad)." in daemon.log


def test_news_wait_until_the_release_and_are_enforced_at_once(daemon: Daemon) -> None:
    roll_back(daemon, 1)
    write_list(daemon.folder / "list", ["listed.example", "between.example"])
    until(lambda: "Feed national has new content, which waits" in daemon.log, "the news are known")
    write_list(daemon.folder / "list", ["listed.example", "newest.example"])
    until(lambda: daemon.log.count("Feed national has new content, which waits") == 2, "the newest are known")
    assert daemon.refresh()["feeds"]["national"]["outcome"] == "waiting"
    assert enforces(daemon, FIRST)
    assert daemon.status()["ruleset"]["version"] == 1
    assert release(daemon) == {"version": 3, "pinned": None}
    assert daemon.ask("newest.example").addresses == SINKHOLE
    assert daemon.ask("between.example").addresses != SINKHOLE
    assert enforces(daemon, ["listed.example"])
    assert daemon.metric("blockd_ruleset_pinned") == 0
    assert daemon.status()["pinned"] is None


def test_pin_survives_a_restart_and_so_does_what_is_new(daemon: Daemon) -> None:
    roll_back(daemon, 1, "wait for the ministry")
    daemon.stop()
    write_list(daemon.folder / "list", ["listed.example", "newest.example"])
    daemon.start()
    assert enforces(daemon, FIRST)
    until(lambda: "Feed national has new content, which waits" in daemon.log, "the news are known")
    assert enforces(daemon, FIRST)
    assert daemon.status()["pinned"]["reason"] == "wait for the ministry"
    assert release(daemon)["version"] == 3
    assert daemon.ask("newest.example").addresses == SINKHOLE
    daemon.stop()
    daemon.start()
    assert daemon.status()["pinned"] is None
    assert daemon.ask("newest.example").addresses == SINKHOLE


def test_damaged_pin_is_no_pin_and_a_pinned_version_that_is_lost_changes_nothing(daemon: Daemon) -> None:
    pinned = daemon.state_dir / "rulesets" / "pinned"
    daemon.stop()
    put(pinned, b"\xff\0nonsense")
    daemon.start()
    assert daemon.status()["pinned"] is None
    daemon.stop()
    put(pinned, b"77\n")
    daemon.start()
    assert enforces(daemon, SECOND)
    assert daemon.status()["pinned"]["version"] == 77
    assert release(daemon)["version"] == 2


def test_lost_or_damaged_record_stops_nothing(daemon: Daemon) -> None:
    rulesets = daemon.state_dir / "rulesets"
    put(rulesets / "000001.json", b'{"content": 3')
    (rulesets / "000002.json").unlink()
    told = versions(daemon)
    assert [told[version]["record"] for version in (1, 2)] == ["missing or damaged"] * 2
    assert told[1]["names"] == 2
    roll_back(daemon, 1)
    assert enforces(daemon, FIRST)
    assert versions(daemon)[1]["periods"][0]["rollback"] is True


def test_orders_that_have_ended_stay_ended_in_an_older_version(tmp_path: Path, resolver: UpstreamSimulator) -> None:
    publisher = Publisher(tmp_path / "authority")
    publisher.order("order-1", ["listed.example"])
    publisher.publish()
    with Daemon(tmp_path / "daemon", publisher.feed(), upstream=resolver.address) as daemon:
        end = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=8)
        publisher.order("order-2", ["open-2.example"], expires=end.strftime("%Y-%m-%dT%H:%M:%SZ"))
        publisher.publish()
        daemon.refresh()
        assert daemon.ask("open-2.example").addresses == SINKHOLE
        publisher.order("order-3", ["open-3.example"])
        publisher.publish()
        everywhere(lambda: daemon.ask("open-3.example").addresses == SINKHOLE, "the new order is enforced")
        until(lambda: time.time() >= end.timestamp(), "order 2 has expired")
        roll_back(daemon, 2)
        assert daemon.ask("listed.example").addresses == SINKHOLE
        assert daemon.ask("open-2.example").addresses == ["192.0.2.2"]
        assert daemon.ask("open-3.example").addresses == ["192.0.2.3"]


def test_control_process_killed_in_the_middle_of_the_swap_is_followed_by_one_that_finishes(daemon: Daemon) -> None:
    control = daemon.control_pid()
    worker = daemon.status()["workers"][1]["pid"]
    os.kill(worker, signal.SIGSTOP)  # so that the swap waits
    asking = threading.Thread(target=_asked, args=(daemon, {"version": 1, "reason": "why"}))
    asking.start()
    until((daemon.state_dir / "rulesets" / "pinned").exists, "the pin is written")
    os.kill(control, signal.SIGKILL)
    os.kill(worker, signal.SIGCONT)
    asking.join()
    until(lambda: daemon.control_pid() != control and daemon.is_ready(), "the control process is back")
    everywhere(lambda: enforces(daemon, FIRST), "the version that was asked for is enforced")
    assert daemon.status()["pinned"]["version"] == 1
    assert (daemon.state_dir / "rulesets" / "current").read_text() == "1\n"
    assert release(daemon)["version"] == 2


def test_control_process_killed_at_any_moment_leaves_a_good_version_in_force(daemon: Daemon) -> None:
    for number in range(8):
        control = daemon.control_pid()
        body = {"version": 1 + number % 2, "reason": "why"} if number != 5 else {"release": True}
        asking = threading.Thread(target=_asked, args=(daemon, body))
        asking.start()
        killer = threading.Timer(0.004 * number, os.kill, (control, signal.SIGKILL))
        killer.start()
        asking.join()
        killer.join()
        until(lambda control=control: daemon.control_pid() != control and daemon.is_ready(), "control is back")  # type: ignore[misc]
        daemon.refresh()
        told = daemon.status()
        pinned = told["pinned"]["version"] if told["pinned"] else None
        assert pinned in (None, told["ruleset"]["version"])
        assert enforces(daemon, FIRST if told["ruleset"]["version"] == 1 else SECOND)
    if daemon.status()["pinned"]:
        release(daemon)
    publish(daemon, ["listed.example", "later.example"])
    assert daemon.ask("later.example").addresses == SINKHOLE


def _asked(daemon: Daemon, body: dict[str, object]) -> None:
    """Ask for a rollback whose answer may never come."""
    with contextlib.suppress(OSError, http.client.HTTPException, ValueError):
        daemon.post("/api/rollback", body)
