"""A restart never waits for a feed, and never enforces what ended while blockd was down."""

from __future__ import annotations

import shutil
import time
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from blockd.ruleset.format import READABLE
from tests.daemon.harness import Daemon, everywhere, until, write_list
from tests.daemon.publisher import Publisher
from tests.upstream import UpstreamSimulator

SINKHOLE = ["127.0.0.1"]

OLDEST = min(READABLE)


def test_last_good_ruleset_is_enforced_when_every_feed_is_gone(tmp_path: Path, resolver: UpstreamSimulator) -> None:
    publisher = Publisher(tmp_path / "authority")
    publisher.order("order-1", ["signed.example"])
    publisher.publish()
    write_list(tmp_path / "list", ["listed.example"])
    national = {"name": "national", "type": "domains", "path": str(tmp_path / "list"), "interval": "200ms"}
    daemon = Daemon(tmp_path / "daemon", publisher.feed(), national, upstream=resolver.address)
    with daemon:
        daemon.refresh()
        assert daemon.ask("listed.example").addresses == SINKHOLE
    (tmp_path / "list").unlink()
    shutil.rmtree(publisher.out)
    daemon.launch()
    try:
        assert daemon.first_answer("listed.example").addresses == SINKHOLE
        assert daemon.ask("signed.example").addresses == SINKHOLE
        for name in ("national", "ministry"):
            until(partial(_refusal, daemon, name), f"{name} is refused")
            told = daemon.feed(name)
            assert told["names"] == 1
            assert told["age_seconds"] > 0
            assert daemon.metric("blockd_feed_refused_total", feed=name) > 0
            assert 0 < daemon.metric("blockd_feed_age_seconds", feed=name) < 60
        assert daemon.is_ready()
        assert daemon.run_verb("status").returncode == 1
        shown = daemon.run_verb("status").stdout
        assert shown.count("REFUSED") == 2
        assert "stays in force" in daemon.log
    finally:
        daemon.stop()


def test_older_version_is_used_where_the_current_one_is_damaged(tmp_path: Path, resolver: UpstreamSimulator) -> None:
    write_list(tmp_path / "list", ["listed.example", "first.example"])
    feed = {"name": "national", "type": "domains", "path": "list", "interval": "200ms"}
    daemon = Daemon(tmp_path, feed, upstream=resolver.address)
    with daemon:
        write_list(tmp_path / "list", ["listed.example", "second.example"])
        daemon.refresh()
        assert daemon.ask("second.example").addresses == SINKHOLE
    (tmp_path / "list").unlink()
    damaged = daemon.state_dir / "rulesets" / "000002.ruleset"
    content = bytearray(damaged.read_bytes())
    content[len(content) // 2] ^= 0xFF
    damaged.write_bytes(content)
    with daemon:
        assert daemon.ask("listed.example").addresses == SINKHOLE
        assert "Version 2 is damaged, and set aside" in daemon.log
        everywhere(lambda: daemon.ask("second.example").addresses == SINKHOLE, "what was accepted is compiled anew")
        assert daemon.ask("first.example").rcode == "NXDOMAIN"


def test_a_ruleset_of_an_older_format_is_compiled_anew_from_what_was_accepted(
    tmp_path: Path, resolver: UpstreamSimulator
) -> None:
    write_list(tmp_path / "list", ["listed.example"])
    daemon = Daemon(tmp_path, {"name": "national", "type": "domains", "path": "list"}, upstream=resolver.address)
    with daemon:
        pass
    (tmp_path / "list").unlink()
    old = daemon.state_dir / "rulesets" / "000001.ruleset"
    content = bytearray(old.read_bytes())
    content[8:10] = (OLDEST - 1).to_bytes(2, "little")
    old.write_bytes(content)
    with daemon:
        assert daemon.ask("listed.example").addresses == SINKHOLE
        assert f"its format is {OLDEST - 1}" in daemon.log


def test_damaged_mark_and_slots_are_no_obstacle(tmp_path: Path, resolver: UpstreamSimulator) -> None:
    write_list(tmp_path / "list", ["listed.example"])
    daemon = Daemon(tmp_path, {"name": "national", "type": "domains", "path": "list"}, upstream=resolver.address)
    with daemon:
        pass
    rulesets = daemon.state_dir / "rulesets"
    (rulesets / "current").write_bytes(b"\xff\0nonsense")
    (daemon.state_dir / "hit-slots.json").write_bytes(b"{")
    (daemon.state_dir / "feeds" / "national" / "feed.json").write_bytes(b"[]")
    with daemon:
        assert daemon.ask("listed.example").addresses == SINKHOLE
        assert daemon.is_ready()


def test_order_that_expired_while_down_is_not_enforced(tmp_path: Path, resolver: UpstreamSimulator) -> None:
    publisher = Publisher(tmp_path / "authority")
    publisher.order("order-1", ["listed.example"])
    publisher.publish()
    daemon = Daemon(tmp_path / "daemon", publisher.feed(), upstream=resolver.address)
    with daemon:
        end = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=8)
        publisher.order("order-2", ["open-2.example"], expires=end.strftime("%Y-%m-%dT%H:%M:%SZ"))
        publisher.publish()
        daemon.refresh()
        assert daemon.ask("open-2.example").addresses == SINKHOLE
    shutil.rmtree(publisher.out)
    until(lambda: time.time() >= end.timestamp(), "the order has expired")
    daemon.launch()
    try:
        assert daemon.first_answer("open-2.example").addresses == ["192.0.2.2"]
        assert daemon.ask("listed.example").addresses == SINKHOLE
        until(lambda: daemon.lookup("open-2.example")["claims"][0]["state"] == "expired", "its state is told")
        daemon.wait_for_banner()
        assert "1 of 2 orders in force" in daemon.banner
    finally:
        daemon.stop()


def _refusal(daemon: Daemon, name: str) -> object:
    return daemon.feed(name)["refusal"]
