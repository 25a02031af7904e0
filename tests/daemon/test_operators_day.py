"""An operator's day: his own list, a refused one, a held entry, an override, a rollback, and the way back.

One daemon, and the verbs as they are typed. After each step all that speaks of a name must say the same: what dig gets,
`lookup`, the admin port, the block page, the counters, the proof.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from blockd.cli import main
from tests.daemon.harness import Daemon, everywhere, has_dig, request, until, write_list
from tests.daemon.publisher import Publisher
from tests.upstream import UpstreamSimulator

MANY = [f"n{number}.example" for number in range(3_000)]
WRONG, RIGHT, ORDERED, SHOP, FIRST, LAST = (
    "wrong.example", "right.example", "ordered.example", "shop.co.id", MANY[0], MANY[-1],
)  # fmt: skip
OPEN = "192.0.2.9"
PAGES = {"nxdomain": 403, "sinkhole": 451, "allow": 404, "resolved": 404}  # the status of a visit, by verdict

pytestmark = pytest.mark.skipif(not has_dig(), reason="dig is not installed")


@dataclass
class Day:
    """A daemon with the operator's `own` list, a `national` one and the signed `ministry`; and what was counted."""

    daemon: Daemon
    folder: Path
    capsys: pytest.CaptureFixture[str]
    counted: Counter[tuple[str, str, str]] = field(default_factory=Counter)  # feed, action, protocol
    known: int = 0  # the version that was in force when all were asked for it

    def do(self, *words: str, code: int = 0) -> str:
        """Do a verb, and return what it prints."""
        self.capsys.readouterr()
        assert main([*words, "--config", str(self.daemon.config)]) == code, (words, self.capsys.readouterr())
        told = self.capsys.readouterr()
        return told.out + told.err

    def told(self, *words: str, code: int = 0) -> Any:
        """Do a verb with --json, and return what it prints."""
        return json.loads(self.do(*words, "--json", code=code))

    def write(self, feed: str, *names: str) -> None:
        """Put a list in place."""
        write_list(self.folder / feed, names)

    def see(self, name: str, verdict: str, feed: str = "") -> None:
        """Compare all that is said of a name: its verdict, and the feed that decides, none if it is resolved."""
        is_blocked = verdict in ("nxdomain", "sinkhole")
        told = self.told("lookup", name, code=0 if is_blocked else 1)
        assert (told["verdict"], told.get("feed", "")) == (verdict, feed)
        assert self.daemon.lookup(name)["verdict"] == verdict
        answer = self.daemon.dig(name)
        assert f"status: {'NXDOMAIN' if verdict == 'nxdomain' else 'NOERROR'}" in answer
        address = {"sinkhole": "127.0.0.1", "nxdomain": ""}.get(verdict, OPEN)
        assert re.findall(r"\sIN\s+A\s+(\S+)$", answer, re.MULTILINE) == ([address] if address else [])
        with request("GET", self.daemon.http_port, "/", {"Host": name}) as response:
            assert response.status == PAGES[verdict]
            response.read()
        proved = self.told("audit", "prove", name, "now", code=0 if is_blocked else 1)
        assert proved["covered"] is is_blocked
        assert [order["feed"] for order in proved["orders"] if order["decides"]] == ([feed] if feed else [])
        assert proved["version"] == told["version"] == self.known
        if feed:
            self.counted[feed, verdict, "dns"] += 1  # dig; lookups are not counted
            self.counted[feed, "page", "http"] += is_blocked
        self.count()

    def count(self) -> None:
        """Compare the counters of all orders with what was asked."""
        found: Counter[tuple[str, str, str]] = Counter()
        for (name, labels), value in self.daemon.metrics().items():
            if name == "blockd_hits_total":
                by = dict(labels)
                found[by["feed"], by["action"], by["protocol"]] += int(value)
        assert +found == +self.counted

    @property
    def version(self) -> int:
        """The version that is enforced, which all agree upon."""
        told = self.told("status", code=0 if self.is_well else 1)
        version = int(told["ruleset"]["version"])
        in_force = self.told("versions")["current"]
        (info,) = [dict(labels) for name, labels in self.daemon.metrics() if name == "blockd_ruleset_info"]
        assert in_force == version == int(info["version"])
        self.known = version
        return version

    @property
    def is_well(self) -> bool:
        """Whether `status` has nothing for the operator to do."""
        return all(alarm["severity"] == "info" for alarm in self.daemon.status()["alarms"])

    def recorded(self, kind: str) -> list[str]:
        """Return the audit log's lines of a kind."""
        return self.do("audit", "--kind", kind).splitlines()

    def enforces(self, version: int) -> None:
        """Wait until a version is enforced and recorded, and nothing more happens."""
        self.daemon.wait_for_version(version)
        until(lambda: self.daemon.status()["ruleset"]["version"] == version, f"version {version} is in force")

        def is_recorded() -> bool:
            newest = json.loads(self.do("audit", "--kind", "enforced", "--json").splitlines()[-1])
            return bool(newest["body"]["version"] == version)

        until(is_recorded, f"version {version} is recorded")
        assert self.version == version


@pytest.fixture
def day(tmp_path: Path, upstream: UpstreamSimulator, capsys: pytest.CaptureFixture[str]) -> Any:
    for name in (WRONG, RIGHT, ORDERED, SHOP, FIRST, LAST, MANY[2_100]):
        upstream.plan(name, "A", f"{name}. 60 IN A {OPEN}")
    publisher = Publisher(tmp_path / "authority")
    publisher.order("order-1", [ORDERED])
    publisher.publish()
    own = {
        "name": "own", "type": "domains", "path": str(tmp_path / "own"), "interval": "200ms", "mandate": "operator",
        "action": "nxdomain",
    }  # fmt: skip
    national = {"name": "national", "type": "domains", "path": str(tmp_path / "national"), "interval": "200ms"}
    write_list(tmp_path / "own", [WRONG, RIGHT])
    write_list(tmp_path / "national", [*MANY, "co.id"])
    feeds = (own, national, publisher.feed())
    operator = {"name": "Example ISP", "contact": "abuse@isp.example"}
    with Daemon(
        tmp_path / "daemon", *feeds, upstream=upstream.address, operator=operator, versions={"keep": 9}
    ) as daemon:
        until(lambda: len(daemon.status()["ruleset"]["digest"] and daemon.status()["feeds"]) == 3, "it has begun")
        until(lambda: {feed["phase"] for feed in daemon.status()["feeds"]} == {"enforced"}, "all feeds are enforced")
        daemon.wait_for_version(daemon.status()["ruleset"]["version"])
        yield Day(daemon, tmp_path, capsys)


def test_operators_day(day: Day) -> None:
    first = day.version
    day.see(WRONG, "nxdomain", "own")
    day.see(ORDERED, "sinkhole", "ministry")
    day.see(SHOP, "resolved")
    day.see(LAST, "sinkhole", "national")

    _takes_names_off_his_own_list(day)
    _takes_a_refused_list(day)
    _lets_a_held_entry_through(day)
    _overrides_an_order(day)
    _rolls_back(day, first)
    _comes_back(day)

    assert day.told("audit", "verify")["ok"] is True
    kinds = Counter(json.loads(line)["kind"] for line in day.do("audit", "--json").splitlines())
    asked = ("accept", "gate-release", "gate-hold", "override", "override-ended", "rollback", "release")
    assert {kind: kinds[kind] for kind in asked} == dict.fromkeys(asked, 1)
    assert "Traceback" not in day.daemon.log


def _takes_names_off_his_own_list(day: Day) -> None:
    version = day.version
    day.write("own", RIGHT)
    day.enforces(version + 1)
    day.see(WRONG, "resolved")
    day.see(RIGHT, "nxdomain", "own")
    assert day.told("lookup", WRONG, code=1)["listed"]["until_now"] is False
    day.write("own")
    day.enforces(version + 2)
    day.see(RIGHT, "resolved")
    day.see(FIRST, "sinkhole", "national")
    assert day.is_well
    assert "feed own (domains): 0 names" in day.do("status")
    assert day.daemon.metric("blockd_feed_names", feed="own") == 0
    assert day.daemon.metric("blockd_feed_refused") == 0


def _takes_a_refused_list(day: Day) -> None:
    version = day.version
    day.write("national", *MANY[:2_000], "co.id")
    until(lambda: day.daemon.feed("national")["acceptable"], "the list is refused")
    day.see(LAST, "sinkhole", "national")
    assert day.version == version
    status = day.do("status", code=1)
    assert "REFUSED: it holds 2000 names, but 3000 are in force: a loss of more than 20% (gate.max_shrink)" in status
    assert "ALARM BlockdFeedRefused of feed national" in status
    assert "blockd accept national --show" in status
    assert "Feed national is refused (shrunk)" in day.daemon.log
    assert day.daemon.metric("blockd_feed_refused", feed="national") == 1
    assert day.daemon.metric("blockd_feed_refused_total", feed="national", reason="shrunk") == 1
    shown = day.do("accept", "national", "--show")
    assert "it has 2,000 names in place of 3,000\n  1 entry is held back" in shown
    assert "removed: 1,000\n" in shown
    day.see(LAST, "sinkhole", "national")
    taken = day.do("accept", "national", "--reason", "cleaned up", "--as", "Budi", "--yes")
    assert f"taken; enforced: version {version + 1}." in taken
    day.enforces(version + 1)
    day.see(LAST, "resolved")
    day.see(FIRST, "sinkhole", "national")
    assert day.is_well
    assert day.daemon.metric("blockd_feed_refused", feed="national") == 0
    (record,) = day.recorded("accept")
    assert "(shrunk), 2,000 names by Budi: cleaned up" in record
    assert "Its content is not refused." in day.do("accept", "national", "--reason", "again", "--yes", code=2)

    day.write("national", *MANY[:1_200], "co.id")
    until(lambda: day.daemon.feed("national")["acceptable"], "the next one needs a word of its own")
    day.see(MANY[1_999], "sinkhole", "national")
    day.write("national", *MANY[:2_000], "co.id")
    until(lambda: day.daemon.feed("national")["refusal"] is None, "the list is as it was accepted")
    assert day.version == version + 1
    assert day.is_well


def _lets_a_held_entry_through(day: Day) -> None:
    version = day.version
    assert "co.id (both): held back, public suffix, line 2,001: co.id" in day.do("held")
    looked = day.do("lookup", SHOP, code=1)
    assert "listed at line 2,001 of feed national as co.id (both): public suffix" in looked
    assert "blockd held release co.id --reason TEXT" in looked
    assert f"enforced: version {version + 1}" in day.do("held", "release", "co.id", "--reason", "the court says so")
    day.enforces(version + 1)
    day.see(SHOP, "sinkhole", "national")
    assert day.daemon.metric("blockd_feed_held_names", feed="national") == 0
    assert "released: co.id since" in day.do("held", code=1)
    assert "enforced: version" in day.do("held", "hold", "co.id", "--reason", "appealed")
    day.enforces(version)  # whose content is that again
    assert "co.id is let through: the court says so" in day.recorded("gate-release")[0]
    assert "co.id is held back again: appealed" in day.recorded("gate-hold")[0]
    day.see(SHOP, "resolved")
    assert day.daemon.metric("blockd_feed_held_names", feed="national") == 1
    looked = day.told("lookup", SHOP, code=1)
    assert looked["held"][0]["held"] is True
    assert looked["listed"]["until_now"] is False, "only the version with the release lists it"


def _overrides_an_order(day: Day) -> None:
    version = day.version
    end = (datetime.now(UTC) + timedelta(days=20)).strftime("%Y-%m-%d")
    assert "There is no override" in day.do("override", "list", code=1)
    added = day.do("override", "add", ORDERED, "--reason", "Court order 7", "--until", end, "--as", "Ms Officer")
    assert "before: sinkhole (an order in force covers the name)" in added
    day.enforces(version + 2)
    day.see(ORDERED, "allow", "overrides")
    assert f"{ORDERED} (both): in force" in day.do("override", "list")
    assert f"OVERRIDE: {ORDERED} (both) is not blocked until" in day.do("status")
    assert f"{ORDERED} (both) until {end}T00:00:00Z by Ms Officer: Court order 7" in day.recorded("override")[0]


def _rolls_back(day: Day, pinned: int) -> None:
    newest = day.version
    told = day.do("rollback", str(pinned), "--reason", "elections")
    assert f"pinned: version {pinned}\nenforced: version {newest + 1}, which has the overrides of now on top" in told
    for is_restarted in (False, True):
        if is_restarted:
            day.daemon.stop()
            day.daemon.start()
            day.counted.clear()
            assert f"  PINNED: version {pinned}; what is new waits" in day.daemon.banner
            assert "no longer in the config" not in day.daemon.banner
        day.enforces(newest + 1)
        day.see(ORDERED, "allow", "overrides")
        day.see(WRONG, "nxdomain", "own")
        day.see(LAST, "sinkhole", "national")
        day.see(SHOP, "resolved")
        status = day.do("status")
        assert f"PINNED: version {pinned} since" in status
        assert f"enforced: version {newest + 1}, which is version {pinned} with the overrides of now" in status
        assert f"OVERRIDE: {ORDERED} (both) is not blocked until" in status
        assert f"{ORDERED} (both): in force" in day.do("override", "list")
        assert day.daemon.metric("blockd_ruleset_pinned") == 1
        assert day.daemon.metric("blockd_feed_held_names", feed="national") == 1
        assert "co.id (both): held back, public suffix" in day.do("held")
        assert day.told("lookup", SHOP, code=1)["held"][0]["entry"] == "co.id"
        assert f"version {pinned} (pinned)" in day.do("versions")
    enforced = f"enforced as version {newest + 1} with the overrides of then"
    assert f"version {pinned} is pinned, {enforced}: elections" in day.recorded("rollback")[0]


def _comes_back(day: Day) -> None:
    pinned = day.version
    assert f"released; enforced: version {pinned - 1}" in day.do("rollback", "--release", "--reason", "over")
    day.enforces(pinned - 1)
    assert "is released" in day.recorded("release")[0]
    day.see(ORDERED, "allow", "overrides")
    day.see(WRONG, "resolved")
    day.see(LAST, "resolved")
    assert day.daemon.metric("blockd_ruleset_pinned") == 0
    ended = day.do("override", "end", ORDERED, "--reason", "decided otherwise")
    assert f"enforced: version {pinned + 1}" in ended
    day.enforces(pinned + 1)
    everywhere(lambda: day.daemon.lookup(ORDERED)["verdict"] == "sinkhole", "the order holds again")
    day.see(ORDERED, "sinkhole", "ministry")
    assert "over" in day.do("override", "list", code=1)
    assert "OVERRIDE" not in day.do("status")
    assert "No version is pinned" in day.do("rollback", "--release", "--reason", "over", code=2)
    assert "decided otherwise" in day.recorded("override-ended")[0]
