"""An entry that would block thousands of sites is held back alone, and the operator is told, once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.daemon.harness import Daemon, blockd, everywhere, until, write_list
from tests.daemon.publisher import Publisher
from tests.upstream import UpstreamSimulator

NAMES = [f"name-{number}.example" for number in range(50)]
HELD = ["github.io", "co.id", "bi.go.id", "own.example"]


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory, resolver: UpstreamSimulator) -> Iterator[Daemon]:
    folder = tmp_path_factory.mktemp("held-back")
    write_list(folder / "list", [*NAMES, *HELD, "no name"])
    (folder / "own.txt").write_text("# ours\nwww.own.example\nordered.example\n", encoding="utf-8")
    publisher = Publisher(folder / "authority")
    publisher.order("order-1", ["ordered.example"])
    publisher.publish()
    feed = {"name": "national", "type": "domains", "path": "list", "interval": "200ms"}
    gate = {"protected": ["shipped", "own.txt"]}
    with Daemon(folder, feed, publisher.feed(), upstream=resolver.address, gate=gate) as running:
        yield running


def test_the_rest_of_the_list_is_enforced(daemon: Daemon) -> None:
    assert daemon.ask("name-7.example").addresses == ["127.0.0.1"]
    for name in ("somebody.github.io", "shop.co.id", "www.bi.go.id", "www.own.example"):
        assert daemon.ask(name).addresses != ["127.0.0.1"]
    assert daemon.feed("national")["names"] == 50


def test_a_signed_order_is_enforced_as_it_says_and_reported(daemon: Daemon) -> None:
    assert daemon.ask("somebody.ordered.example").addresses == ["127.0.0.1"]
    held = daemon.feed("ministry")["held"]
    assert (held["held"], held["enforced"]) == (0, True)
    assert held["reasons"] == {"protected": {"count": 1, "samples": ["ordered.example"], "held": False}}
    assert daemon.metric("blockd_feed_held_names", feed="ministry") == 0


def test_status_metrics_and_log_tell_what_is_held_back(daemon: Daemon) -> None:
    assert daemon.feed("national")["held"]["reasons"] == {
        "public suffix": {"count": 2, "samples": ["co.id", "github.io"], "held": True},
        "protected": {"count": 2, "samples": ["bi.go.id", "own.example"], "held": True},
    }
    assert daemon.metric("blockd_feed_held_names", feed="national") == 4
    assert daemon.metric("blockd_feed_rejected_ratio", feed="national") == pytest.approx(1 / 55)
    sentence = "4 entries are held back, the rest is enforced: 2 protected (such as bi.go.id), 2 public suffix"
    assert daemon.log.count(f"Feed national: {sentence}") == 1
    assert f"  {sentence}" in blockd("status", folder=daemon.folder, config=daemon.config).stdout


def test_a_lookup_names_what_covers_the_name_and_is_held_back_with_and_without_trace(daemon: Daemon) -> None:
    short, whole = daemon.lookup("shop.co.id"), daemon.lookup("shop.co.id&trace")
    [held] = short["held"]
    assert (held["feed"], held["entry"], held["reason"], held["held"]) == ("national", "co.id", "public suffix", True)
    assert held["release"] == "blockd held release co.id --reason TEXT"
    assert [{**one, "line": None} for one in whole["held"]] == [held]
    assert daemon.lookup("name-7.example")["held"] == []


def test_amending_holds_back_what_compiling_does_and_a_restart_says_it_no_more(daemon: Daemon) -> None:
    write_list(daemon.folder / "list", [*NAMES, *HELD, "new.example", "vercel.app", "no name"])
    until(lambda: daemon.feed("national")["held"]["held"] == 5, "the new entry is held back")
    assert daemon.ask("new.example").addresses == ["127.0.0.1"]
    assert daemon.ask("somebody.vercel.app").addresses != ["127.0.0.1"]
    until(lambda: daemon.log.count("are held back") == 2, "the log says so as well")
    daemon.stop()
    daemon.start()
    assert daemon.feed("national")["held"]["held"] == 5
    assert daemon.log.count("are held back") == 2
    assert daemon.metric("blockd_feed_held_names", feed="national") == 5


def test_another_list_of_protected_names_lets_go_of_what_was_held_back(daemon: Daemon) -> None:
    daemon.stop()
    (daemon.folder / "own.txt").write_text("name-1.example\n", encoding="utf-8")
    (daemon.folder / "state/releases.json").write_text("{", encoding="ascii")
    daemon.start()
    assert daemon.metric("blockd_releases_failed") == 1
    assert "BlockdReleasesFailed" in {alarm["name"] for alarm in daemon.status()["alarms"]}
    everywhere(lambda: daemon.ask("www.own.example").addresses == ["127.0.0.1"], "the list is compiled anew")
    everywhere(lambda: daemon.ask("name-1.example").addresses != ["127.0.0.1"], "the list is compiled anew")
    assert daemon.feed("national")["held"]["reasons"]["protected"]["samples"] == ["bi.go.id", "name-1.example"]


def test_a_list_of_protected_names_that_cannot_be_read_is_told_before_a_start(daemon: Daemon) -> None:
    daemon.stop()
    (daemon.folder / "own.txt").write_text("no name\n", encoding="utf-8")
    for verb in ("check", "run"):
        ended = blockd(verb, folder=daemon.folder, config=daemon.config)
        assert ended.returncode == 2
        assert "own.txt cannot be used" in ended.stderr
        assert "line 1 is not a valid name" in ended.stderr
    (daemon.folder / "own.txt").write_text("", encoding="utf-8")
    daemon.start()
