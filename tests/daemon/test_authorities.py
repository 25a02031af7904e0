"""Several authorities at a running daemon, each with two signatures of three: whose fault and whose end costs what."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.daemon.authorities import Authorities
from tests.daemon.harness import Daemon, everywhere, has_dig, put, request, until
from tests.daemon.mirror import mirrored
from tests.upstream import UpstreamSimulator

SINKHOLE = ["127.0.0.1"]
ALL = {"telecom.example", "court.example", "bank.example"}
ORDERS = {
    "telecom": ("telecom-1", "telecom.example"),
    "court": ("2026-17", "court.example"),
    "bank": ("2026-17", "bank.example"),  # an id is its authority's own
}

pytestmark = pytest.mark.skipif(not has_dig(), reason="dig is not installed")


@pytest.fixture
def authorities(tmp_path: Path) -> Authorities:
    made = Authorities(tmp_path / "authorities")
    for role, (identifier, name) in ORDERS.items():
        made.order(role, identifier, [name])
    made.publish()
    return made


@pytest.fixture
def daemon(tmp_path: Path, authorities: Authorities, resolver: UpstreamSimulator) -> Iterator[Daemon]:
    with mirrored(authorities.out) as mirror:
        feed = authorities.feed(mirror.url, authorities={"telecom": {"at_expiry": "stop"}})
        with Daemon(tmp_path / "daemon", feed, upstream=resolver.address) as running:
            until(running.is_ready, "it enforces")
            yield running


def blocked(daemon: Daemon) -> set[str]:
    return {name for name in ALL if daemon.ask(name).addresses == SINKHOLE}


def part(daemon: Daemon, role: str) -> dict[str, object]:
    (found,) = [each for each in daemon.feed("national")["authorities"] if each["role"] == role]
    return dict(found)


def alarms(daemon: Daemon) -> set[tuple[str, str]]:
    return {(alarm["name"], alarm["authority"]) for alarm in daemon.status()["alarms"] if alarm["feed"] == "national"}


def test_what_is_damaged_of_one_authority_costs_only_its_own_news(authorities: Authorities, daemon: Daemon) -> None:
    assert blocked(daemon) == ALL
    assert daemon.metric("blockd_authority_refused", feed="national", authority="court") == 0
    for role in ORDERS:
        authorities.order(role, f"{role}-2", [f"open-{list(ORDERS).index(role)}.example"])
    prepared = authorities.folder / "prepared"
    authorities.publish(to=prepared)
    damaged = json.loads((prepared / "metadata" / authorities.metadata("court").name).read_bytes())
    assert len(damaged["signatures"]) == 2
    damaged["signatures"].pop()  # what the threshold needs
    put(authorities.metadata("court"), json.dumps(damaged).encode())
    for path in sorted(prepared.rglob("*"), key=lambda it: it.name == "timestamp.json"):
        file = authorities.out / path.relative_to(prepared)
        if path.is_file() and (not file.exists() or path.name == "timestamp.json"):
            file.parent.mkdir(parents=True, exist_ok=True)
            put(file, path.read_bytes())

    everywhere(lambda: daemon.ask("open-0.example").addresses == SINKHOLE, "the news of the first are enforced")
    assert daemon.ask("open-2.example").addresses == SINKHOLE
    assert daemon.ask("open-1.example").addresses != SINKHOLE
    assert blocked(daemon) == ALL, "also what the damaged one gave before"
    assert daemon.feed("national")["refusal"] is None
    sentence = part(daemon, "court")["refusal"]
    assert sentence
    assert alarms(daemon) == {("BlockdAuthorityRefused", "court")}
    assert daemon.metric("blockd_authority_refused", feed="national", authority="court") == 1
    assert daemon.metric("blockd_authority_refused", feed="national", authority="bank") == 0
    assert daemon.log.count("The new content of authority court of feed national is refused") == 1
    shown = daemon.run_verb("status")
    assert (shown.returncode, f"    REFUSED: {sentence}\n" in shown.stdout) == (1, True)

    put(authorities.metadata("court"), (prepared / "metadata" / authorities.metadata("court").name).read_bytes())
    everywhere(lambda: daemon.ask("open-1.example").addresses == SINKHOLE, "it is whole again")
    assert alarms(daemon) == set()
    _one_order_is_withheld(authorities, daemon)
    recorded = daemon.run_verb("audit", "--kind", "refused", "--kind", "good-again").stdout
    assert "national, authority court (mixed): The part of the authority court" in recorded
    assert "national, order bank/bank-3 (missing): The order bank-3 of the authority bank" in recorded
    assert recorded.count("good-again") == 2


def _one_order_is_withheld(authorities: Authorities, daemon: Daemon) -> None:
    """Publish two orders and a lifting of one authority, of which a server lacks one order's document."""
    authorities.order("bank", "bank-3", ["open-3.example"])
    authorities.order("bank", "bank-4", ["open-4.example"])
    authorities.lift("bank", "bank-2")
    prepared = authorities.folder / "without-one"
    authorities.publish(to=prepared)
    [withheld] = prepared.rglob("*.bank-3.json")
    for path in sorted(prepared.rglob("*"), key=lambda it: it.name == "timestamp.json"):
        file = authorities.out / path.relative_to(prepared)
        if path.is_file() and path != withheld and (not file.exists() or path.name == "timestamp.json"):
            file.parent.mkdir(parents=True, exist_ok=True)
            put(file, path.read_bytes())
    everywhere(lambda: daemon.ask("open-4.example").addresses == SINKHOLE, "all others of it are enforced")
    everywhere(lambda: daemon.ask("open-2.example").addresses != SINKHOLE, "the lifting too")
    assert daemon.ask("open-3.example").addresses != SINKHOLE
    assert blocked(daemon) == ALL
    assert (daemon.feed("national")["refusal"], part(daemon, "bank")["refusal"]) == (None, None)
    [order] = daemon.feed("national")["refused_orders"]
    assert (order["role"], order["order"], order["reason"], order["stays"]) == ("bank", "bank-3", "missing", False)
    assert alarms(daemon) == {("BlockdOrderRefused", "bank")}
    assert daemon.metric("blockd_orders_refused", feed="national", authority="bank") == 1
    assert daemon.metric("blockd_orders_refused", feed="national", authority="court") == 0
    assert f"  ORDER REFUSED (missing): {order['refusal']}\n" in daemon.run_verb("status").stdout
    put(authorities.out / withheld.relative_to(prepared), withheld.read_bytes())
    everywhere(lambda: daemon.ask("open-3.example").addresses == SINKHOLE, "it is there")
    until(lambda: alarms(daemon) == set(), "no alarm is up")


def test_orders_of_one_id_are_told_apart_and_lifted_each_for_itself(authorities: Authorities, daemon: Daemon) -> None:
    assert "order court/2026-17, Sample Court" in daemon.dig("court.example")
    assert "order bank/2026-17, Bank Supervision" in daemon.dig("bank.example")
    until(
        lambda: all(
            daemon.metric("blockd_hits_total", order=f"{role}/2026-17", protocol="dns") >= 1
            for role in ("court", "bank")
        ),
        "the hits of each are counted",
    )
    own = {"Host": "127.0.0.1", "Accept": "text/html"}
    for place, status, words in (
        ("2026-17", 300, 'href="/orders/bank/2026-17"'),
        ("court/2026-17", 200, "Sample Court"),
        ("bank%2F2026-17", 200, "Bank Supervision"),
    ):
        with request("GET", daemon.http_port, f"/orders/{place}", own) as response:
            assert (response.status, words in response.read().decode()) == (status, True)

    authorities.lift("court", "2026-17")
    authorities.publish()
    everywhere(lambda: blocked(daemon) == ALL - {"court.example"}, "one is lifted, and the other is not")
    assert daemon.lookup("bank.example")["order"]["called"] == "bank/2026-17"
    until(lambda: '"lifted"' in daemon.run_verb("audit", "--order", "court/2026-17", "--json").stdout, "it is recorded")
    several = daemon.run_verb("audit", "--order", "2026-17")
    assert several.returncode == 1
    assert [line.split()[0] for line in several.stdout.splitlines()[1:]] == ["bank/2026-17", "court/2026-17"]
    assert "lifted" not in daemon.run_verb("audit", "--order", "bank/2026-17").stdout
    daemon.stop()
    daemon.start()
    assert blocked(daemon) == ALL - {"court.example"}
    proved = daemon.run_verb("audit", "prove", "bank.example", "now")
    assert (proved.returncode, "order bank/2026-17 of Bank Supervision: in force" in proved.stdout) == (0, True)


def test_end_of_an_authority_stops_its_orders_or_marks_them_as_stale(authorities: Authorities, daemon: Daemon) -> None:
    assert "not renewed in time" not in daemon.dig("court.example")
    authorities.publish(telecom=timedelta(seconds=8), court=timedelta(seconds=8))
    daemon.refresh()
    everywhere(
        lambda: blocked(daemon) == ALL - {"telecom.example"}, "the orders of the one that stops are out of force"
    )
    until(lambda: daemon.metric("blockd_orders_stale", feed="national") == 1, "the other's are stale")
    assert "Sample Court; list not renewed in time; objections: objections@example.net" in daemon.dig("court.example")
    assert "not renewed in time" not in daemon.dig("bank.example")
    for name, is_stale in (("court.example", True), ("bank.example", False)):
        with request("GET", daemon.http_port, "/", {"Host": name, "Accept": "text/html"}) as response:
            page = response.read().decode()
        assert (response.status, "has not renewed its list in time" in page) == (451, is_stale)
    assert daemon.lookup("court.example")["stale"] is True
    assert (part(daemon, "telecom")["ended"], part(daemon, "court")["stale"]) == (True, 1)
    assert daemon.metric("blockd_authority_expires_in_seconds", feed="national", authority="telecom") < 0
    assert daemon.metric("blockd_authority_expires_in_seconds", feed="national", authority="bank") > 0
    assert {("BlockdAuthorityExpired", "telecom"), ("BlockdAuthorityExpired", "court")} <= alarms(daemon)
    authorities.publish()
    everywhere(lambda: blocked(daemon) == ALL, "it is signed anew")
    everywhere(lambda: "not renewed in time" not in daemon.dig("court.example"), "nothing is stale")
    until(lambda: alarms(daemon) == set(), "no alarm is up")


def test_an_authority_opens_anothers_orders_only_if_it_may(authorities: Authorities, daemon: Daemon) -> None:
    authorities.order("court", "court-2", ["telecom.example"], action="allow", in_force_from="2026-02-01")
    authorities.order("court", "court-3", ["www.bank.example"], action="tcp-only", in_force_from="2026-02-01")
    authorities.publish()
    daemon.refresh()
    until(lambda: daemon.status()["contradictions"]["count"] == 2, "the contradictions are listed")
    assert blocked(daemon) == ALL
    assert daemon.ask("www.bank.example").addresses == SINKHOLE
    sentence = "order court-2 of national/court (allow) is overruled by order telecom-1 of national/telecom (sinkhole)"
    assert f"CONTRADICTION: {sentence}, for telecom.example\n" in daemon.run_verb("status").stdout
    assert ("BlockdOrdersContradict", "info") in {(it["name"], it["severity"]) for it in daemon.status()["alarms"]}
    assert daemon.metric("blockd_orders_contradicting") == 2
    claims = {claim["order"]["id"]: claim["because"] for claim in daemon.lookup("telecom.example")["claims"]}
    by = "order telecom/telecom-1 of feed national"
    assert claims["court-2"] == f"{by} stands over it: of different authorities sinkhole over allow"
    daemon.refresh()
    assert daemon.log.count(sentence) == 1

    authorities.may_lift("court", "telecom")
    authorities.publish()
    everywhere(lambda: blocked(daemon) == ALL - {"telecom.example"}, "the court opens what it may")
    assert daemon.ask("www.bank.example").addresses == SINKHOLE
    until(lambda: "lifts order telecom-1" in daemon.log, "that is told too")
    told = json.loads(daemon.run_verb("diff", "1", str(daemon.status()["ruleset"]["version"]), "--json").stdout)
    assert {(one["order"], one["lifts"]) for one in told["contradictions"]["came"]} == {
        ("court-2", True), ("court-3", False),
    }  # fmt: skip
