from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from blockd.errors import BadName
from blockd.names import key_from_text
from blockd.orders import Action, Entry, Reason, Scope, State, Verdict
from blockd.ruleset import Enforced
from blockd.ruleset.explain import ExplainedClaim, WeighedClaim, explain
from blockd.ruleset.format import MAX_CLAIMS_OF_ONE
from blockd.ruleset.policy import at_time
from tests.ruleset.lists import NOW, compiled, enforced, feed, listing, order


def test_a_listed_name_is_explained_with_its_order_and_every_claim(tmp_path: Path) -> None:
    subject = enforced(
        tmp_path,
        feed("f", listing(order("child", expires=NOW - 1), "www.a.example"), listing(order("parent"), "a.example")),
    )
    told = explain(subject, "WWW.a.example.").to_json()
    assert told["name"] == "www.a.example"
    assert told["verdict"] == "sinkhole"
    assert (told["entry"], told["scope"], told["feed"], told["state"]) == ("a.example", "both", "f", "in force")
    assert (told["version"], told["compiled"]) == (1, "1970-01-12T13:46:40Z")
    claims = told["claims"]
    assert isinstance(claims, list)
    assert [(claim["entry"], claim["state"]) for claim in claims] == [
        ("www.a.example", "expired"),
        ("a.example", "in force"),
    ]
    assert claims[0]["until"] == "1970-01-12T13:46:39Z"
    json.dumps(told)


def test_what_is_not_touched_is_resolved(tmp_path: Path) -> None:
    subject = enforced(tmp_path, feed("f", listing(order("o", start=NOW + 1), "a.example")))
    assert explain(subject, "b.example").verdict == "resolved"
    later = explain(subject, "a.example")
    assert later.claim is not None
    assert (later.verdict, later.claim.state) == ("resolved", State.PENDING)


def test_where_no_list_was_enforced_yet_it_says_so() -> None:
    told = explain(None, "a.example")
    assert "no list" in told.why
    assert told.ruleset is None
    assert told.to_json().keys() == {"name", "kind", "taken_from", "verdict", "why"}
    assert not told.is_blocked


def test_what_is_no_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadName):
        explain(enforced(tmp_path), "a..b")


def test_a_ruleset_can_be_asked_about_any_moment(tmp_path: Path) -> None:
    ruleset = compiled(
        tmp_path / "r", feed("f", listing(order("o", Action.NXDOMAIN, start=NOW + 1, expires=NOW + 10), "a.example"))
    )
    found = [explain(at_time(3, ruleset, now), "a.example") for now in (NOW, NOW + 1, NOW + 9, NOW + 10)]
    assert [told.verdict for told in found] == ["resolved", "nxdomain", "nxdomain", "resolved"]
    assert {told.ruleset.version for told in found if told.ruleset} == {3}


def test_an_order_that_was_not_renewed_in_time_is_said_to_be_stale(tmp_path: Path) -> None:
    subject = enforced(tmp_path, feed("f", listing(order("o"), "a.example"), listing(order("p"), "b.example")))
    assert explain(subject, "a.example").to_json()["stale"] is False
    marked = at_time(1, subject.ruleset, NOW, b"\1\0")
    assert [explain(marked, name).to_json()["stale"] for name in ("a.example", "b.example")] == [True, False]


def because(*claims: WeighedClaim) -> dict[str, tuple[bool, str]]:
    """Return whether each order decides, and why, by its id."""
    return {weighed.claim.order.id: (weighed.decides, weighed.because) for weighed in claims}


def weighed_in(subject: Enforced, name: str) -> dict[str, tuple[bool, str]]:
    """Return why each order on a name decides or does not."""
    found = explain(subject, name).ruleset
    assert found is not None
    return because(*found.claims)


def test_wildcard_above_a_name_that_its_zone_has_does_not_decide(tmp_path: Path) -> None:
    wild = listing(order("wild"), "a.example", scope=Scope.SUBDOMAINS)
    zone = replace(feed("zone", wild, listing(order("exact"), "b.a.example", scope=Scope.EXACT)), type="rpz")
    subject = enforced(tmp_path, zone)
    assert explain(subject, "x.b.a.example").verdict == "resolved"
    assert weighed_in(subject, "x.b.a.example") == {
        "wild": (False, "zone zone has b.a.example, and no wildcard above that matches below it")
    }
    assert weighed_in(subject, "x.c.a.example") == {"wild": (True, "it decides")}


def test_earlier_zone_decides_before_a_longer_match(tmp_path: Path) -> None:
    first = replace(feed("first", listing(order("short"), "a.example"), priority=10), type="rpz")
    second = feed("second", listing(order("long", Action.NXDOMAIN), "b.a.example"), priority=20)
    subject = enforced(tmp_path, first, second)
    assert explain(subject, "b.a.example").verdict == "sinkhole"
    assert weighed_in(subject, "b.a.example") == {
        "long": (False, "feed first comes before second, by priority 10 and 20"),
        "short": (True, "it decides"),
    }


def test_zones_of_one_priority_are_asked_by_name(tmp_path: Path) -> None:
    zones = [
        replace(feed(name, listing(order(name, action), "a.example", scope=Scope.EXACT)), type="rpz")
        for name, action in (("zone-a", Action.NODATA), ("zone-b", Action.NXDOMAIN))
    ]
    assert weighed_in(enforced(tmp_path, *zones), "a.example")["zone-b"] == (
        False, "feed zone-a comes before zone-b, by name, their priority being the same",
    )  # fmt: skip


def test_state_is_the_one_in_which_the_order_is_enforced(tmp_path: Path) -> None:
    ruleset = compiled(tmp_path / "r", feed("f", listing(order("o"), "a.example")))
    stopped = at_time(1, ruleset, NOW, known={0: State.EXPIRED})  # its feed has ended, not the order
    found = explain(stopped, "a.example")
    assert found.claim is not None
    assert (found.verdict, found.claim.state) == ("resolved", State.EXPIRED)
    assert weighed_in(stopped, "a.example") == {"o": (False, "it is expired")}


@pytest.mark.parametrize(("state", "stale"), [(State.IN_FORCE, True), (State.EXPIRED, False), (State.LIFTED, False)])
def test_an_order_that_is_not_in_force_is_not_called_stale(state: State, stale: bool) -> None:
    verdict = Verdict(Reason.NOT_IN_FORCE, order("o"), Entry(key_from_text("a.example")), "f", state=state, stale=True)
    claim = ExplainedClaim.of(verdict)
    assert claim is not None
    assert claim.stale is stale


def test_what_decides_between_orders_of_one_rank_is_told(tmp_path: Path) -> None:
    orders = [replace(order(name), role=role) for role, name in (("bank", "17"), ("court", "17"), ("bank", "18"))]
    subject = enforced(tmp_path, feed("f", *(listing(one, "a.example") for one in orders)),
                       feed("g", listing(orders[0], "a.example")))  # fmt: skip
    found = explain(subject, "a.example").ruleset
    assert found is not None
    assert [(one.claim.feed, one.claim.order.name, one.because) for one in found.claims] == [
        ("f", "f/bank/17", "it decides"),
        ("g", "g/bank/17", "order f/bank/17 is of the same rank, and its feed comes first"),
        ("f", "court/17", "order f/bank/17 is of the same rank, and its role comes first"),
        ("f", "f/bank/18", "order f/bank/17 is of the same rank, and its id comes first"),
    ]


def test_orders_that_had_no_room_are_told(tmp_path: Path) -> None:
    crowd = [listing(order(f"o-{at:03}", start=at, role="greedy"), "a.example") for at in range(MAX_CLAIMS_OF_ONE + 3)]
    late = order("late", start=NOW + 9, role="court")
    inputs = replace(feed("f", *crowd, listing(late, "a.example", "b.example")), type="signed", signed=True)
    subject = enforced(tmp_path, inputs)
    ruleset = explain(subject, "a.example").ruleset
    assert ruleset is not None
    [refused] = ruleset.refused
    assert (refused.feed, refused.role, refused.count) == ("f", "greedy", 3)
    assert refused.sentence.endswith("256 on one, and has them on this: greedy/o-258, greedy/o-257, greedy/o-256")
    assert explain(subject, "b.example").to_json()["refused"] == []
    subject.close()


def test_why_another_partys_order_stands(tmp_path: Path) -> None:
    block, allow = order("block", role="ministry"), order("allow", Action.ALLOW, role="court")
    weak = order("weak", Action.TCP_ONLY, role="court")
    listings = (
        listing(block, "a.example"), listing(allow, "x.a.example"), listing(weak, "x.a.example", "y.a.example"),
    )  # fmt: skip

    def because(name: str, **may_lift: list[str]) -> dict[str, str]:
        subject = enforced(tmp_path, replace(feed("f", *listings), type="signed", signed=True, may_lift=may_lift))
        ruleset = explain(subject, name).ruleset
        subject.close()
        return {claim.claim.order.id: claim.because for claim in ruleset.claims} if ruleset else {}

    of_block = "order ministry/block of feed f"
    assert because("x.a.example") == {
        "block": "it decides",
        "allow": f"{of_block} stands over it: of different authorities sinkhole over allow",
        "weak": "the allow entry x.a.example of the same authority beats its other orders",
    }
    assert (
        because("y.a.example")["weak"] == f"{of_block} stands over it: of different authorities sinkhole over tcp-only"
    )
    lifted = because("x.a.example", court=["f/ministry"])
    assert (lifted["block"], lifted["allow"]) == (
        "order court/allow of feed f lifts it, as it may", "it decides",
    )  # fmt: skip
