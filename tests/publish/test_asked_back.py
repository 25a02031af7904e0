from __future__ import annotations

import pytest

from blockd.names import Network, key_from_text
from blockd.names.suffixes import parse_suffixes
from blockd.orders import Action, Entry, Scope
from blockd.publish.asked_back import MAX_ASKED, MAX_SAMPLES, asked_back
from blockd.publish.lint import publishers_guard, shipped_guard
from blockd.ruleset.gate.guard import Guard
from blockd.settings import GateSettings

POPULAR = ["shop.example", *(f"{letter}.shop.example" for letter in "abcdefgh"), "deep.free.example"]
GUARD = Guard.of(
    parse_suffixes("example\nhost.example\n*\n"),
    (),
    map(key_from_text, POPULAR),
    "x",
    reports_popular=True,
)


def asked(text: str, scope: Scope = Scope.BOTH, action: Action = Action.SINKHOLE, *, hidden: bool = False) -> str:
    return " ".join(
        it.sentence for it in asked_back([(3, Entry(key_from_text(text), scope))], action, GUARD, hidden=hidden)
    )


def test_a_popular_name_is_asked_about_with_what_goes_with_it() -> None:
    told = asked("shop.example")
    assert told.startswith(
        "shop.example is one of the most popular names; every name under it goes with it, of the popular"
    )
    assert sum(f"{letter}.shop.example" in told for letter in "abcdefgh") == MAX_SAMPLES
    assert told.endswith("and 3 more")
    assert asked("shop.example", Scope.EXACT) == "shop.example is one of the most popular names"


def test_a_name_above_popular_ones_is_asked_about_if_it_covers_them() -> None:
    assert asked("free.example").startswith("free.example stands above popular names; ")
    assert "deep.free.example" in asked("free.example")
    assert asked("free.example", Scope.EXACT) == ""


def test_a_public_suffix_alone_is_asked_about() -> None:
    assert "is a public suffix, or above one" in asked("host.example", Scope.EXACT)


@pytest.mark.parametrize("action", [Action.ALLOW, Action.MONITOR])
def test_what_blocks_nothing_is_not_asked_about(action: Action) -> None:
    assert asked("shop.example", action=action) == asked("other.example") == ""


def test_no_name_of_a_confidential_order_is_repeated() -> None:
    assert asked("shop.example", hidden=True) == "names[3] is one of the most popular names"


def test_a_network_is_asked_about_with_the_number_of_its_addresses() -> None:
    guard = publishers_guard(GateSettings())
    entry = Entry(Network.from_text("203.0.112.0/20").key)
    wide = publishers_guard(GateSettings.model_validate({"min_prefix_ipv4": 24}))
    assert list(asked_back([(0, entry)], Action.SINKHOLE, guard)) == []
    [one] = asked_back([(0, entry)], Action.SINKHOLE, wide)
    assert one.sentence == (
        "203.0.112.0/20 is held back from unsigned lists (network too wide); every name with one of its 4,096 "
        "addresses goes with it"
    )


def test_questions_are_bounded() -> None:
    entries = [(number, Entry(key_from_text("shop.example"))) for number in range(MAX_ASKED + 50)]
    assert len(list(asked_back(entries, Action.SINKHOLE, GUARD))) == MAX_ASKED


def test_the_lists_that_are_installed_know_popular_names() -> None:
    entry = Entry(key_from_text("google.com"))
    [one] = asked_back([(0, entry)], Action.NXDOMAIN, shipped_guard())
    assert "google.com is one of the most popular names" in one.sentence
    assert "mail.google.com" in one.sentence
