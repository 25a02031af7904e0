"""Orders from a signed repository, from their signing to their end, and repositories that must not be believed."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.daemon.harness import SLACK, Daemon, everywhere, put, until
from tests.daemon.publisher import Publisher
from tests.upstream import UpstreamSimulator

SINKHOLE = ["127.0.0.1"]
DAMAGES = [
    (b"", "empty"),
    (b"<!DOCTYPE html><html><body>Sign in</body></html>", "html"),
    (b'{"signatures": [], "signed": {"_type": "timest', "cut"),
    (b"\0" * 4096, "format"),
]


@pytest.fixture
def daemon(tmp_path: Path, publisher: Publisher, resolver: UpstreamSimulator) -> Iterator[Daemon]:
    with Daemon(tmp_path / "daemon", publisher.feed(), upstream=resolver.address) as running:
        yield running


def test_order_is_enforced_when_published_and_ends_when_lifted(publisher: Publisher, daemon: Daemon) -> None:
    assert daemon.ask("open-3.example").addresses == ["192.0.2.3"]
    publisher.order("order-2", ["open-3.example"])
    publisher.publish()
    everywhere(lambda: daemon.ask("open-3.example").addresses == SINKHOLE, "the order is enforced")
    publisher.lift("order-2", datetime.now(UTC))
    publisher.publish()
    everywhere(lambda: daemon.ask("open-3.example").addresses == ["192.0.2.3"], "the order is lifted")
    daemon.refresh()
    assert daemon.ask("listed.example").addresses == SINKHOLE
    told = daemon.lookup("open-3.example")
    assert (told["verdict"], told["claims"][0]["state"]) == ("resolved", "lifted")
    until(lambda: daemon.metric("blockd_order_to_enforcement_seconds_count") >= 2, "both are measured, once tested")


def test_lifting_at_a_time_to_come_needs_no_download(publisher: Publisher, daemon: Daemon) -> None:
    at = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=8)
    publisher.lift("order-1", at)
    publisher.publish()
    daemon.refresh()
    version = daemon.status()["ruleset"]["version"]
    shutil.rmtree(publisher.out)
    assert time.time() < at.timestamp(), "this machine was too slow for the test"
    assert daemon.ask("listed.example").addresses == SINKHOLE
    everywhere(lambda: daemon.ask("listed.example").rcode == "NXDOMAIN", "the order is lifted")
    assert 0 <= time.time() - at.timestamp() < SLACK
    assert daemon.status()["ruleset"]["version"] == version
    until(lambda: "Order order-1 of Sample Authority is lifted from now on." in daemon.log, "it is logged")


def test_order_takes_force_and_expires_on_the_second(publisher: Publisher, daemon: Daemon) -> None:
    start = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=8)
    end = start + timedelta(seconds=5)
    publisher.order("order-2", ["open-4.example"], in_force_from=_text(start), expires=_text(end))
    publisher.publish()
    daemon.refresh()
    assert daemon.ask("open-4.example").addresses == ["192.0.2.4"]
    everywhere(lambda: daemon.ask("open-4.example").addresses == SINKHOLE, "the order is in force")
    assert 0 <= time.time() - start.timestamp() < SLACK
    everywhere(lambda: daemon.ask("open-4.example").addresses == ["192.0.2.4"], "the order has expired")
    assert 0 <= time.time() - end.timestamp() < SLACK


def test_repository_signed_by_others_is_refused(tmp_path: Path, publisher: Publisher, daemon: Daemon) -> None:
    forger = Publisher(tmp_path / "forger")
    forger.order("order-1", ["open-5.example"])
    for _ in range(3):
        forger.publish()
    good = publisher.out.rename(tmp_path / "good")
    shutil.copytree(forger.out, publisher.out)
    _assert_refused(daemon, "signature")
    assert daemon.ask("open-5.example").addresses == ["192.0.2.5"]
    shutil.rmtree(publisher.out)
    good.rename(publisher.out)
    _assert_good_again(daemon)


def test_older_list_is_refused(tmp_path: Path, publisher: Publisher, daemon: Daemon) -> None:
    shutil.copytree(publisher.out, tmp_path / "older")
    publisher.order("order-2", ["open-6.example"])
    publisher.publish()
    everywhere(lambda: daemon.ask("open-6.example").addresses == SINKHOLE, "the order is enforced")
    good = publisher.out.rename(tmp_path / "good")
    (tmp_path / "older").rename(publisher.out)
    _assert_refused(daemon, "rollback")
    assert daemon.ask("open-6.example").addresses == SINKHOLE
    publisher.out.rename(tmp_path / "older")
    good.rename(publisher.out)
    _assert_good_again(daemon)


def test_expired_list_is_told_and_stays_in_force(publisher: Publisher, daemon: Daemon) -> None:
    publisher.publish(life=timedelta(seconds=6))
    daemon.refresh()
    assert daemon.metric("blockd_feed_expires_in_seconds", feed="ministry") < 60
    _assert_refused(daemon, "expired")
    assert daemon.metric("blockd_feed_expires_in_seconds", feed="ministry") < 0
    publisher.publish()
    _assert_good_again(daemon)
    assert daemon.metric("blockd_feed_expires_in_seconds", feed="ministry") > 3600


def test_damaged_repository_is_refused(publisher: Publisher, daemon: Daemon) -> None:
    good = publisher.timestamp.read_bytes()
    for content, reason in DAMAGES:
        put(publisher.timestamp, content)
        _assert_refused(daemon, reason)
        put(publisher.timestamp, good)
        _assert_good_again(daemon)


def test_changed_order_is_refused_alone(tmp_path: Path, publisher: Publisher, daemon: Daemon) -> None:
    publisher.order("order-2", ["open-7.example"])
    publisher.order("order-3", ["open-8.example"])
    changed = tmp_path / "changed"
    publisher.publish(to=changed)
    (path,) = (changed / "targets" / "orders").glob("*.order-2.json")
    octets = path.read_bytes()
    put(path, octets.replace(b"open-7.example", b"open-9.example"))
    good = publisher.out.rename(tmp_path / "good")
    changed.rename(publisher.out)
    everywhere(lambda: daemon.ask("open-8.example").addresses == SINKHOLE, "the other one is enforced")
    [order] = daemon.feed("ministry")["refused_orders"]
    assert (order["order"], order["reason"], daemon.feed("ministry")["refusal"]) == ("order-2", "signature", None)
    assert daemon.ask("open-9.example").addresses == ["192.0.2.9"]
    put(publisher.out / path.relative_to(changed), octets)
    everywhere(lambda: daemon.ask("open-7.example").addresses == SINKHOLE, "the order is enforced")
    until(lambda: daemon.feed("ministry")["refused_orders"] == [], "nothing is refused")
    shutil.rmtree(good)


def _assert_refused(daemon: Daemon, reason: str) -> None:
    """The repository is refused for a reason, it is said once, and what was in force stays so."""
    until(lambda: daemon.metric("blockd_feed_refused_total", feed="ministry", reason=reason) >= 3, f"refused: {reason}")
    assert daemon.log.count(f"Feed ministry is refused ({reason})") == 1, daemon.log
    assert daemon.feed("ministry")["refusal"]
    assert daemon.ask("listed.example").addresses == SINKHOLE


def _assert_good_again(daemon: Daemon) -> None:
    until(lambda: daemon.feed("ministry")["refusal"] is None, "the repository is good again")
    assert daemon.ask("listed.example").addresses == SINKHOLE
    assert "Feed ministry is accepted again" in daemon.log


def _text(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
