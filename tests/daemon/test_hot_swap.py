"""A list update never costs a question, and shows in the very next answer."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemon.asking import Asking
from tests.daemon.harness import Daemon, everywhere, until, write_list
from tests.upstream import UpstreamSimulator

CONTROLS = ["always.example", "always-too.example"]
SINKHOLE = ["127.0.0.1"]


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory, resolver: UpstreamSimulator) -> Iterator[Daemon]:
    folder = tmp_path_factory.mktemp("hot-swap")
    write_list(folder / "list", [*CONTROLS, "a.example", "b.example"])
    feed = {"name": "national", "type": "domains", "path": "list", "interval": "200ms"}
    gate = {"max_shrink": "100%"}
    with Daemon(folder, feed, upstream=resolver.address, gate=gate) as running:
        yield running


def test_updates_under_questions_lose_none_and_show_at_once(daemon: Daemon) -> None:
    questions = [
        ("always.example", SINKHOLE),
        ("below.always-too.example", SINKHOLE),
        ("open-1.example", ["192.0.2.1"]),
    ]
    before = "a.example"
    with Asking(daemon, questions) as asking:
        for number in range(10):
            name = f"new-{number}.example"
            assert daemon.ask(name).rcode == "NXDOMAIN"
            write_list(daemon.folder / "list", [*CONTROLS, name])
            told = daemon.refresh()
            for tcp in (False, True):
                for _ in range(5):  # each from another port, so that every worker is asked
                    assert daemon.ask(name, tcp=tcp).addresses == SINKHOLE
                    assert daemon.ask(before, tcp=tcp).rcode == "NXDOMAIN"
            assert told["version"] == daemon.status()["ruleset"]["version"]
            before = name
        asking.wait_for_more(100)
    asking.assert_nothing_lost_or_wrong()


def test_watched_list_is_taken_by_itself(daemon: Daemon) -> None:
    write_list(daemon.folder / "list", [*CONTROLS, "watched.example"])
    everywhere(lambda: daemon.ask("watched.example").addresses == SINKHOLE, "the list is taken")
    assert "enforced" in daemon.log


def test_rewritten_list_is_taken_when_it_rests(daemon: Daemon) -> None:
    with (daemon.folder / "list").open("a", encoding="utf-8") as file:
        for number in range(50):
            file.write(f"appended-{number}.example\n")
            file.flush()
    everywhere(lambda: daemon.ask("appended-49.example").addresses == SINKHOLE, "the list is taken")
    assert daemon.metric("blockd_feed_refused_total") == 0


def test_hangup_signal_fetches_at_once(tmp_path: Path, resolver: UpstreamSimulator) -> None:
    write_list(tmp_path / "list", CONTROLS)
    feed = {"name": "national", "type": "domains", "path": "list", "interval": "1d"}
    with Daemon(tmp_path, feed, upstream=resolver.address) as daemon:
        write_list(tmp_path / "list", [*CONTROLS, "hung-up.example"])
        assert daemon.process is not None
        daemon.process.send_signal(signal.SIGHUP)
        everywhere(lambda: daemon.ask("hung-up.example").addresses == SINKHOLE, "the list is taken")
        assert daemon.process.poll() is None


def test_refresh_tells_what_came_of_each_feed(daemon: Daemon) -> None:
    assert daemon.refresh()["feeds"] == {"national": {"outcome": "unchanged"}}
    write_list(daemon.folder / "list", [*CONTROLS, "fresh.example"])
    assert daemon.refresh()["feeds"]["national"]["outcome"] in ("enforced", "unchanged")  # the watch may be first
    assert daemon.ask("fresh.example").addresses == SINKHOLE
    status, told = daemon.post("/api/refresh", {"feeds": ["nobody"]})
    assert status == 400
    assert "national" in told["error"]


def test_time_from_list_to_enforcement_is_measured(daemon: Daemon) -> None:
    def measured() -> float:
        return daemon.metric("blockd_order_to_enforcement_seconds_count")

    daemon.refresh()  # what a test before this one has published is measured then
    before = measured()
    write_list(daemon.folder / "list", [*CONTROLS, "measured.example"])
    daemon.refresh()
    until(lambda: measured() == before + 1, "the list is measured, once")
