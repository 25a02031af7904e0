"""Hints that a signed list has news: they wake the next look, at most once a second, and are not believed."""

from __future__ import annotations

import time
from pathlib import Path

import dns.flags
import dns.message
import dns.opcode
import dns.rcode

from tests.daemon.bundled import Bundles
from tests.daemon.harness import Daemon, everywhere, until
from tests.daemon.publisher import Publisher
from tests.upstream import UpstreamSimulator

SINKHOLE = ["127.0.0.1"]
SENDER = "127.0.0.9"
ZONE = "orders.example"
NOTIFY = {"zone": ZONE, "from": [SENDER]}


def notify(daemon: Daemon, source: str = SENDER, zone: str = ZONE) -> str:
    """Send a NOTIFY, and return how it was answered."""
    return dns.rcode.to_text(daemon.exchange(notification(zone), source=source).rcode())


def notification(zone: str = ZONE) -> dns.message.Message:
    message = dns.message.make_query(zone, "SOA")
    message.set_opcode(dns.opcode.NOTIFY)
    message.flags = (message.flags | dns.flags.AA) & ~dns.flags.RD
    return message


def test_news_are_enforced_soon_after_a_hint_by_http_by_notify_and_by_refresh(
    tmp_path: Path, publisher: Publisher, resolver: UpstreamSimulator
) -> None:
    feed = publisher.feed(interval="1h", notify=NOTIFY)
    with Daemon(tmp_path / "daemon", feed, upstream=resolver.address) as daemon:
        publisher.order("order-2", ["open-1.example"])
        publisher.publish()
        assert daemon.post("/api/hint", {"feed": "ministry"}) == (202, {"feeds": ["ministry"]})
        everywhere(lambda: daemon.ask("open-1.example").addresses == SINKHOLE, "a hint of one feed has woken it")
        publisher.order("order-3", ["open-2.example"])
        publisher.publish()
        assert daemon.post("/api/hint", {})[0] == 202
        everywhere(
            lambda: daemon.ask("open-2.example").addresses == SINKHOLE, "a hint of all signed feeds has woken it"
        )
        publisher.order("order-4", ["open-3.example"])
        publisher.publish()
        assert notify(daemon) == "NOERROR"
        everywhere(lambda: daemon.ask("open-3.example").addresses == SINKHOLE, "a NOTIFY has woken it")
        publisher.order("order-5", ["open-4.example"])
        publisher.publish()
        told = daemon.run_verb("refresh", "ministry")
        assert (told.returncode, told.stdout.splitlines()[0]) == (0, "feed ministry: enforced")
        assert daemon.ask("open-4.example").addresses == SINKHOLE


def test_a_hint_that_is_no_hint_wakes_nothing(tmp_path: Path, resolver: UpstreamSimulator) -> None:
    lists = Bundles(tmp_path / "lists")
    lists.order("order-1", "", "listed.example")
    lists.give()
    feed = lists.feed(interval="1h", notify=NOTIFY)
    with Daemon(tmp_path / "daemon", feed, upstream=resolver.address, program="tests.daemon.bundled") as daemon:
        assert len(lists.looks()) == 1
        assert daemon.post("/api/hint", {"feed": "others"})[0] == 400
        assert daemon.post("/api/hint", {"feeds": ["ministry"]})[0] == 400
        assert notify(daemon, source="127.0.0.1") == "REFUSED"
        assert notify(daemon, zone="other.example") == "REFUSED"
        at = time.monotonic()
        assert daemon.post("/api/hint", {})[0] == 202
        until(lambda: len(lists.looks()) > 1, "a hint that is one has woken it")
        assert lists.looks()[1] >= at, "something else woke it before"
