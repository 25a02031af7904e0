from __future__ import annotations

import json
from pathlib import Path

import pytest

from blockd.errors import BadName
from blockd.orders import Action, State
from blockd.ruleset.explain import explain
from blockd.ruleset.policy import at_time
from blockd.ruleset.states import stale_in, write_states
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
    assert told.to_json().keys() == {"name", "verdict", "why"}


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
    orders = [record.order for record in subject.ruleset.catalogue.orders]
    path = subject.ruleset.path.with_suffix(".orders")
    write_states(path, orders, [1, 2], NOW, {0})
    assert stale_in(path, 2) == b"\1\0"
    assert stale_in(path, 3) == b""
    marked = at_time(1, subject.ruleset, NOW, stale_in(path, 2))
    assert [explain(marked, name).to_json()["stale"] for name in ("a.example", "b.example")] == [True, False]
