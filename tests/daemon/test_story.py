"""The order of July 2017 as it should have gone: three people, two signatures, eleven names, and an end.

Everything is done with the commands that an authority and an operator have, and asked with dig.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.daemon.harness import Daemon, has_dig, until
from tests.daemon.office import AUTHORITY, ROLE, Office
from tests.effort import LONG
from tests.upstream import UpstreamSimulator

NAMES = (
    "t.me", "telegram.me", "telegram.org", "core.telegram.org", "desktop.telegram.org", "macos.telegram.org",
    "web.telegram.org", "venus.web.telegram.org", "pluto.web.telegram.org", "flora.web.telegram.org",
    "flora-1.web.telegram.org",
)  # fmt: skip
ORDER = "kominfo-2017-07-14-telegram"
OTHERS = 10_000_000 if LONG else 20_000  # names of a list that is enforced beside the order
PATIENCE = 300.0 if LONG else 30.0  # seconds for the start with those
LIMIT = 2.0  # seconds from a signature to every worker's answer, at a poll a second
SINKHOLE = "127.0.0.1"
OPEN = "192.0.2.1"

pytestmark = pytest.mark.skipif(not has_dig(), reason="dig is not installed")


@pytest.fixture
def office(tmp_path: Path) -> Office:
    office = Office(tmp_path / "office")
    asked = [word for name in NAMES for word in ("--name", name)]
    office.do(
        "order", "new", "--yes", "--role", ROLE, "--id", ORDER, "--platform", "Telegram",
        "--legal-basis", "Regulation 19/2014",
        "--reference", "letter of 14 July 2017", "--reported-by", "BNPT", "--assessed-by", "Kominfo panel",
        "--decided-by", "Director General", "--contact", "objections@example.id", "--from", "2017-07-14",
        "--expires", _text(datetime.now(UTC) + timedelta(days=30)), "--notice", "sent=2016-03-29;channel=e-mail",
        *asked, office.desk,
    )  # fmt: skip
    return office


@pytest.fixture
def upstream(resolver: UpstreamSimulator) -> UpstreamSimulator:
    for name in NAMES:
        resolver.plan(name, "A", f"{name}. 300 IN A {OPEN}")
    return resolver


@pytest.fixture
def daemon(tmp_path: Path, office: Office, upstream: UpstreamSimulator) -> Iterator[Daemon]:
    """A daemon with a national list, which finds nothing published yet."""
    listed = tmp_path / "national.txt"
    with listed.open("w", encoding="ascii") as file:
        file.writelines(f"n{number}.listed-{number % 97}.example\n" for number in range(OTHERS))
    office.publish()  # no order yet, but the root that the operator is handed
    national = {"name": "national", "type": "domains", "path": str(listed), "interval": "1h", "max_size": "2G"}
    with office.served() as url:
        feed = {
            "name": "orders",
            "type": "signed",
            "url": url,
            "root": str(office.root),
            "interval": "1s",
            "priority": 10,
        }
        with Daemon(tmp_path / "daemon", feed, national, upstream=upstream.address) as daemon:
            until(lambda: daemon.metric("blockd_ruleset_names") >= OTHERS, "the national list is enforced", PATIENCE)
            yield daemon


def test_order_by_two_of_three_people_is_enforced_extended_and_lifted(office: Office, daemon: Daemon) -> None:
    assert all(daemon.dig_address(name)[0] == OPEN for name in NAMES)

    signed = office.sign("ani")
    assert (signed["complete"], signed["lacking"]) == (False, 1)
    assert row(office, daemon) == ("", "waits for signatures", False)
    office.publish()
    assert daemon.refresh()["feeds"]["orders"]["outcome"] != "enforced", "one signature of two"
    assert all(daemon.dig_address(name)[0] == OPEN for name in NAMES)

    assert office.sign("budi", elsewhere=True)["complete"] is True
    assert row(office, daemon) == ("", "signed, not published", False)
    took = change(office, daemon, "imposed", SINKHOLE)
    assert row(office, daemon) == ("in force", "published", True)
    [orders] = [feed for feed in daemon.status()["feeds"] if feed["name"] == "orders"]
    assert orders["limits"]["read_memory"]["used"] < 1 << 28, "a few orders take no memory to speak of"
    found = daemon.lookup("web.telegram.org")
    assert (found["order"]["id"], found["order"]["authority"], found["feed"]) == (ORDER, AUTHORITY, "orders")
    assert f"(Censored): (order {ROLE}/{ORDER}, {AUTHORITY}; objections: objections@example.id)" in daemon.dig("t.me")

    end = datetime.now(UTC).replace(microsecond=0) + timedelta(days=60)
    office.do(
        "order", "extend", office.desk, ORDER, "--expires", _text(end), "--reason", "the platform has not answered"
    )
    office.sign("citra")
    office.sign("ani")
    extended = change(office, daemon, "imposed", SINKHOLE)
    assert daemon.lookup("t.me")["until"] == _text(end)

    office.do("order", "lift", office.desk, ORDER, "--reason", "the platform has complied")
    assert row(office, daemon) == ("in force", "staged", True)
    office.sign("budi")
    office.sign("citra", elsewhere=True)
    lifted = change(office, daemon, "lifted", OPEN)
    claims = daemon.lookup("t.me")["claims"]
    assert [claim["state"] for claim in claims if claim["order"].get("id") == ORDER] == ["lifted"]

    proved = json.loads(daemon.run_verb("audit", "verify", "--json").stdout)
    assert proved["ok"] is True, proved
    print(f"beside {OTHERS:,} names: imposed {took:.2f}, extended {extended:.2f}, lifted {lifted:.2f} s")
    if LONG:
        assert max(took, extended, lifted) <= LIMIT


def row(office: Office, daemon: Daemon) -> tuple[object, object, object]:
    """Return what is in force of the order outside, how far the staged one has come, and if the node has seen it."""
    [told] = office.do("order", "list", office.desk, "--node", f"127.0.0.1:{daemon.admin_port}")["orders"]
    return told["state"], told["reached"], told["seen_by_node"]


def change(office: Office, daemon: Daemon, kind: str, address: str) -> float:
    """Publish, wait until dig is told `address` for all names, and return how long the metric says that it took."""
    before = measured(daemon, kind)
    begun = time.time()
    office.publish()
    until(lambda: all(daemon.dig_address(name)[0] == address for name in NAMES), f"every name leads to {address}")
    until(lambda: measured(daemon, kind)[0] > before[0], "it is measured")
    ended = time.time()
    count, seconds = (now - then for now, then in zip(measured(daemon, kind), before, strict=True))
    assert count == 1, "one order has changed"
    assert seconds <= ended - begun, "it cannot have taken longer than we waited"
    return seconds


def measured(daemon: Daemon, kind: str) -> tuple[float, float]:
    """Return how many changes of a kind were measured so far, and how long they took together."""
    name = "blockd_order_to_enforcement_seconds"
    return daemon.metric(f"{name}_count", change=kind), daemon.metric(f"{name}_sum", change=kind)


def _text(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
