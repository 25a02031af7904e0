"""A repository of national size at a running daemon: thousands of orders of several authorities, and one long list."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from blockd.cli import main
from blockd.errors import PublishError
from blockd.publish.lists.record import ListRecord
from tests.daemon.authorities import NAMES, Authorities, grown
from tests.daemon.harness import Daemon, everywhere, until
from tests.daemon.mirror import Mirror, mirrored
from tests.effort import LONG
from tests.upstream import UpstreamSimulator

ORDERS = 2_000 if LONG else 500
LISTED = 10_000_000 if LONG else 20_000
PATIENCE = 600.0 if LONG else 60.0  # seconds until all of it is enforced for the first time
MOST = 1_000_000  # octets that a day may cost
EVERY = 2_000  # one name in so many changes in a day: 0.05 %
SINKHOLE = ["127.0.0.1"]
OPEN = "192.0.2.1"
SHARES = [len(range(place, ORDERS - 1, 3)) + (place == 2) for place in range(3)]  # orders of each; one has the list
LIST = "bank-national"
LIFTED = "court-0100"


@pytest.fixture
def authorities(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Authorities:
    """Publishes the orders, each with a name of its own but for the list."""
    made = Authorities(tmp_path / "authorities")
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", lambda _: None)  # thousands of files, none of which has to outlast a power cut
        for place, role in enumerate(NAMES):
            numbers = range(place, ORDERS - 1, len(NAMES))
            made.orders(role, {f"{role}-{number:04}": [f"{role}-{number}.example"] for number in numbers})
        made.order("court", LIFTED, ["lifted.example"])
        made.long("bank", LIST, grown(tmp_path / "names", LISTED))
        made.publish()
    return made


@pytest.fixture
def mirror(authorities: Authorities) -> Iterator[Mirror]:
    with mirrored(authorities.out) as server:
        yield server


@pytest.fixture
def daemon(tmp_path: Path, authorities: Authorities, mirror: Mirror, resolver: UpstreamSimulator) -> Iterator[Daemon]:
    for name in ("lifted.example", "n1.listed-1.example", "new1.listed-1.example"):
        resolver.plan(name, "A", f"{name}. 60 IN A {OPEN}")
    feed = authorities.feed(mirror.url, interval="500ms")
    running = Daemon(tmp_path / "daemon", feed, upstream=resolver.address)
    begun = time.monotonic()
    running.launch()
    try:
        until(running.is_ready, "all of it is enforced", PATIENCE)
        running.wait_for_banner()
        print(f"{LISTED:,} names, {ORDERS:,} orders: {mirror.octets:,} octets, {time.monotonic() - begun:.1f} s")
        yield running
        running.stop()
    finally:
        running.destroy()


def test_a_day_of_a_national_repository(
    tmp_path: Path,
    authorities: Authorities,
    mirror: Mirror,
    daemon: Daemon,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert daemon.metric("blockd_ruleset_names") == LISTED + ORDERS - 1
    assert [part["orders"] for part in daemon.feed("national")["authorities"]] == SHARES
    assert addresses(daemon, "lifted.example", "n1.listed-1.example", "new1.listed-1.example") == [
        SINKHOLE, SINKHOLE, [OPEN],
    ]  # fmt: skip

    today = grown(tmp_path / "today", LISTED, lambda number: number % EVERY == 1)
    capsys.readouterr()
    assert main(["authority", "order", "names", str(authorities.workshop.folder), LIST, str(today), "--json"]) == 0
    news = json.loads(capsys.readouterr().out)["list"]
    assert (news["added"], news["removed"], news["count"]) == (LISTED // EVERY, LISTED // EVERY, LISTED)
    authorities.lift("court", LIFTED)
    mirror.given.clear()
    authorities.publish()
    until(
        lambda: (
            addresses(daemon, "lifted.example", "n1.listed-1.example", "new1.listed-1.example")
            == [[OPEN], [OPEN], SINKHOLE]
        ),
        "the day is enforced",
        PATIENCE,
    )
    assert sorted(mirror.targets) == [
        f"targets/lists/bank/{LIST}-0002.changes.gz",
        f"targets/orders/bank/{LIST}.json",
        f"targets/orders/court/{LIFTED}.json",
    ]
    print(f"a day: {mirror.octets:,} octets, {news['download']:,} of them for {news['added']:,} names")
    assert mirror.octets < MOST
    expected = sorted_text(today)
    text = daemon.state_dir / "feeds" / "national" / "lists" / f"{hashlib.sha256(expected).hexdigest()}.txt"
    assert text.read_bytes() == expected

    daemon.refresh()
    found = json.loads(daemon.run_verb("lookup", "www.new1.listed-1.example", "--json").stdout)
    assert (found["order"]["id"], found["order"]["authority"], found["role"]) == (LIST, NAMES["bank"], "bank")
    number = expected.split(b"\n").index(b"new1.listed-1.example") + 1
    assert found["claims"][0]["line"] == {"number": number, "text": "new1.listed-1.example"}
    shown = daemon.run_verb("lookup", "www.new1.listed-1.example").stdout
    assert "Bank Supervision (role bank)\n" in shown
    assert f"line {number}: new1.listed-1.example\n" in shown
    told = json.loads(daemon.run_verb("versions", "--json").stdout)
    before, now = sorted(each["version"] for each in told["versions"])[-2:]
    changed = json.loads(daemon.run_verb("diff", str(before), str(now), "--json").stdout)
    assert (changed["added"], changed["removed"]) == (news["added"], news["removed"])
    assert {order["id"] for order in changed["orders"]["changed"]} == {LIFTED, LIST}

    steps = ListRecord.read(authorities.workshop.folder / "lists" / "bank" / f"{LIST}.json").names.steps
    false = [asdict(step) for step in (*steps[:-1], replace(steps[-1], sha256="0" * 64, count=LISTED + 1))]
    authorities.orders("bank", {LIST: ()}, list={"steps": false})
    authorities.order("court", "court-new", ["open-1.example"])
    with pytest.raises(PublishError, match=r"Nodes would refuse the order bank-national \(signature\)"):
        authorities.publish()
    monkeypatch.setattr("blockd.publish.next_metadata.refuse_unusable_list", lambda *_: None)  # as other tools sign
    authorities.publish()
    everywhere(
        lambda: daemon.ask("open-1.example").addresses == SINKHOLE, "another authority's news are enforced", PATIENCE
    )
    assert not any(part["refusal"] for part in daemon.feed("national")["authorities"])
    (refusal,) = (order["refusal"] for order in daemon.feed("national")["refused_orders"])
    assert refusal.endswith("An earlier version of the order stays in force.")
    assert f"comes out as {LISTED:,} names" in refusal
    assert f"{LISTED + 1:,} in" in refusal
    assert addresses(daemon, "n1.listed-1.example", "new1.listed-1.example") == [[OPEN], SINKHOLE]


def addresses(daemon: Daemon, *names: str) -> list[list[str]]:
    """Return what each name leads to."""
    return [daemon.ask(name).addresses for name in names]


def sorted_text(path: Path) -> bytes:
    """Return the canonical text of a list's names."""
    return b"".join(sorted(path.read_bytes().splitlines(keepends=True)))
