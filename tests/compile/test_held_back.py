"""The gate's guard from a list's lines to what is enforced: bad entries are held back, the rest of the list is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from blockd.feeds.candidate import Candidate
from blockd.names import key_from_text
from blockd.names.suffixes import parse_suffixes
from blockd.ruleset import Gate
from blockd.ruleset.gate.guard import Guard
from blockd.settings import FEED_TYPES
from tests.compile.builder import Builder, domains, reasons, signed

GUARD = Guard.of(
    parse_suffixes("com\nid\nco.id\ngo.id\ngithub.io\n*.ck\n"),
    [key_from_text("bi.go.id")],
    [key_from_text("popular.com")],
    "d",
)
GATE = Gate(guard=GUARD)


@pytest.fixture
def builder(tmp_path: Path) -> Builder:
    return Builder(tmp_path)


def test_bad_entries_are_held_back_alone(builder: Builder) -> None:
    lines = builder.content("casino.example", "*.github.io", "CO.ID.", "any.ck", "bi.go.id", "popular.com", "bet.co.id")
    built = builder.build(Candidate(domains(), lines, None), gate=GATE)
    assert built.taken == {"national"}
    assert built.held["national"].counts == {"public suffix": 3, "protected": 1, "popular": 1}
    assert builder.catalogue().feeds[0].names == builder.catalogue().orders[0].names == 2
    assert {name for name in ("casino.example", "bet.co.id", "bi.go.id", "a.github.io") if builder.listed(name)} == {
        "casino.example",
        "bet.co.id",
    }


def test_signed_orders_are_enforced_as_they_were_signed(builder: Builder) -> None:
    built = builder.build(Candidate(signed(), builder.bundle(order_1=["github.io", "bi.go.id"]), None), gate=GATE)
    assert builder.listed("a.github.io") == "ministry/order-1"
    assert (built.held["ministry"].held, built.held["ministry"].total) == (0, 2)


def test_a_list_that_allows_is_not_held_back(builder: Builder) -> None:
    built = builder.build(
        Candidate(domains("never", action="allow"), builder.content("co.id", "bi.go.id"), None),
        Candidate(domains("exact", scope="exact"), builder.content("co.id"), None),
        gate=GATE,
    )
    assert [report.total for report in built.held.values()] == [0, 0]


def test_held_entries_do_not_hide_a_loss(builder: Builder) -> None:
    names = [f"n{number}.example" for number in range(1_250)]
    old = builder.content(*names)
    builder.build(Candidate(domains(), old, None), gate=GATE)
    new = builder.content(*names[:999], "com.id", "co.id", "go.id", "github.io")
    built = builder.build(Candidate(domains(), new, old), gate=GATE, in_force=builder.catalogue())
    assert reasons(built) == {}
    new = builder.content(*names[:999], "co.id", "go.id", "github.io")
    built = builder.build(Candidate(domains(), new, old), gate=GATE, in_force=builder.catalogue())
    assert reasons(built) == {}
    few = builder.content(*names[:999], "co.id", "go.id", "github.io")
    builder.build(Candidate(domains(), old, None), gate=GATE)
    built = builder.build(Candidate(domains(), few, old), gate=GATE, in_force=builder.catalogue())
    assert reasons(built) == {"national": "shrunk"}
    assert built.held["national"].total == 0


def test_a_list_of_nothing_but_held_entries_is_refused(builder: Builder) -> None:
    built = builder.build(Candidate(domains(), builder.content("co.id", "go.id"), None), gate=GATE)
    assert reasons(built) == {"national": "empty"}


def test_other_guards_make_another_ruleset(builder: Builder) -> None:
    candidate = Candidate(domains(), builder.content("a.example"), None)
    other = Gate(guard=Guard.of(None, [], [], "e"))
    assert builder.build(candidate, gate=GATE).made_from != builder.build(candidate, gate=other).made_from


def test_an_ad_blockers_rule_for_a_suffix_alone_is_no_rule_for_what_is_under_it(builder: Builder) -> None:
    feed = FEED_TYPES["adblock"].model_validate({"name": "ads", "type": "adblock", "path": "/srv/ads"})
    rules = builder.octets(b"||github.io^\n|co.id^\n*.go.id\n||a.example^\n")
    built = builder.build(Candidate(feed, rules, None), gate=GATE)
    assert built.held["ads"].samples == {"public suffix": ["github.io", "go.id"]}
    assert builder.listed("co.id") == builder.listed("a.example") == "ads/ads"
    assert builder.listed("shop.co.id") == builder.listed("x.go.id") == builder.listed("github.io") == ""
