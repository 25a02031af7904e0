"""What happens when a feed comes to its end: its orders stay in force, or stop until it is good again."""

from __future__ import annotations

import logging
from datetime import timedelta
from pathlib import Path

import pytest

from blockd.daemon.expiry import Expiry, end_of, stopped
from blockd.daemon.feed_state import FeedState
from tests.daemon.harness import Daemon, blockd, until, write_list
from tests.daemon.publisher import Publisher
from tests.feeds.builder import domains, signed
from tests.upstream import UpstreamSimulator

SINKHOLE = ["127.0.0.1"]
NOW = 1_800_000_000.0


def known(folder: Path, *, checked: float = 0.0, expires: float | None = None) -> FeedState:
    return FeedState(folder, 0, checked=checked, expires=expires)


def test_a_list_ends_some_time_after_its_last_good_look(tmp_path: Path) -> None:
    feed = domains(max_age="1h", at_expiry="stop")
    state = known(tmp_path, checked=NOW)
    assert end_of(feed, state) == NOW + 3600
    assert not stopped([(feed, state)], NOW + 3599)
    assert stopped([(feed, state)], NOW + 3600) == {"national"}
    assert end_of(feed, known(tmp_path)) is None
    assert end_of(domains(), state) is None


def test_a_signed_list_ends_when_it_says(tmp_path: Path) -> None:
    feed = signed(at_expiry="stop")
    state = known(tmp_path, checked=1.0, expires=NOW)
    assert not stopped([(feed, state)], NOW - 1)
    assert stopped([(feed, state)], NOW) == {"ministry"}
    assert not stopped([(signed(), state)], NOW)
    assert not stopped([(feed, known(tmp_path))], NOW)


def test_an_end_is_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    expiry, feed = Expiry(), signed()
    with caplog.at_level(logging.ERROR):
        for at, end in ((NOW, NOW + 1), (NOW + 1, NOW + 1), (NOW + 2, NOW + 1), (NOW + 2, NOW + 9), (NOW + 9, NOW + 9)):
            expiry.look([(feed, known(tmp_path, expires=end))], at)
    assert [record.getMessage() for record in caplog.records] == [
        "Feed ministry has ended on 2027-01-15T08:00:01Z: its orders stay in force (at_expiry).",
        "Feed ministry has ended on 2027-01-15T08:00:09Z: its orders stay in force (at_expiry).",
    ]


def test_orders_of_a_signed_list_stop_at_its_end_and_over_a_restart_until_it_is_signed_anew(
    tmp_path: Path, publisher: Publisher, resolver: UpstreamSimulator
) -> None:
    write_list(tmp_path / "list", ["other.example"])
    other = {"name": "other", "type": "domains", "path": str(tmp_path / "list"), "interval": "200ms"}
    feed = publisher.feed(at_expiry="stop")
    with Daemon(tmp_path / "daemon", feed, other, upstream=resolver.address) as daemon:
        assert daemon.ask("listed.example").addresses == SINKHOLE
        publisher.publish(life=timedelta(seconds=2))
        until(lambda: daemon.ask("listed.example").addresses != SINKHOLE, "its orders are out of force")
        assert daemon.ask("other.example").addresses == SINKHOLE
        until(lambda: "Feed ministry has ended" in daemon.log, "the end is told")
        assert daemon.log.count("go out of force until it is good again") == 1
        assert daemon.metric("blockd_feed_expires_in_seconds", feed="ministry") < 0
        told = blockd("status", folder=tmp_path, config=daemon.config)
        assert told.returncode == 1
        assert "ENDED: its orders are out of force (at_expiry)" in told.stdout
        write_list(tmp_path / "list", ["other.example", "more.example"])
        until(lambda: daemon.ask("more.example").addresses == SINKHOLE, "another feed's news are enforced")
        assert daemon.ask("listed.example").addresses != SINKHOLE
        daemon.stop()
        daemon.launch()
        assert daemon.first_answer("listed.example").addresses != SINKHOLE
        daemon.wait_for_banner()
        publisher.publish()
        until(lambda: daemon.ask("listed.example").addresses == SINKHOLE, "its orders are in force again")
        assert daemon.feed("ministry")["ended"] is False


def test_a_list_that_cannot_be_looked_at_for_long_stops(tmp_path: Path, resolver: UpstreamSimulator) -> None:
    write_list(tmp_path / "list", ["listed.example"])
    feed = {"name": "national", "type": "domains", "path": str(tmp_path / "list"), "interval": "200ms"}
    with Daemon(
        tmp_path / "daemon", {**feed, "max_age": "3s", "at_expiry": "stop"}, upstream=resolver.address
    ) as daemon:
        assert daemon.ask("listed.example").addresses == SINKHOLE
        assert 0 < daemon.metric("blockd_feed_expires_in_seconds", feed="national") <= 3
        (tmp_path / "list").rename(tmp_path / "away")
        until(lambda: daemon.ask("listed.example").addresses != SINKHOLE, "it is out of force")
        (tmp_path / "away").rename(tmp_path / "list")
        until(lambda: daemon.ask("listed.example").addresses == SINKHOLE, "it is in force again")


def test_by_default_a_feed_goes_on_after_its_end(tmp_path: Path, resolver: UpstreamSimulator) -> None:
    write_list(tmp_path / "list", ["listed.example"])
    feed = {"name": "national", "type": "domains", "path": str(tmp_path / "list"), "interval": "200ms"}
    with Daemon(tmp_path / "daemon", {**feed, "max_age": "1s"}, upstream=resolver.address) as daemon:
        (tmp_path / "list").unlink()
        until(lambda: "its orders stay in force" in daemon.log, "the end is told")
        assert daemon.ask("listed.example").addresses == SINKHOLE
        assert daemon.feed("national")["ended"] is True
