from __future__ import annotations

import pytest

from blockd.names import key_from_text
from blockd.names.suffixes import parse_suffixes
from blockd.orders import Action, Scope
from blockd.ruleset.gate.guard import Guard

SUFFIXES = parse_suffixes("com\nid\nco.id\n*.ck\n!www.ck\ngithub.io\n*.compute.cloud.example\n")
GUARD = Guard.of(SUFFIXES, [key_from_text("bank.co.id")], [key_from_text("www.popular.com")], "d")


def reason(name: str, scope: Scope = Scope.BOTH, action: Action = Action.SINKHOLE, guard: Guard = GUARD) -> str:
    return guard.reason(key_from_text(name), scope, action)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("com", "top-level name"),
        ("never-heard-of", "top-level name"),
        ("co.id", "public suffix"),
        ("github.io", "public suffix"),
        ("any.ck", "public suffix"),
        ("cloud.example", "public suffix"),
        ("compute.cloud.example", "public suffix"),
        ("eu.compute.cloud.example", "public suffix"),
        ("bank.co.id", "protected"),
        ("popular.com", "popular"),
        ("www.popular.com", "popular"),
        ("www.ck", ""),
        ("somebody.github.io", ""),
        ("a.eu.compute.cloud.example", ""),
        ("www.bank.co.id", ""),
        ("casino.co.id", ""),
        ("other.popular.com", ""),
        ("cloud2.example", ""),
    ],
)
def test_an_entry_is_held_back_for_what_it_would_block(name: str, why: str) -> None:
    assert reason(name) == why


@pytest.mark.parametrize(
    ("name", "why"),
    [("github.io", ""), ("com", "top-level name"), ("any.ck", ""), ("popular.com", ""), ("bank.co.id", "protected")],
)
def test_an_entry_that_covers_nothing_under_it_is_held_back_for_itself_alone(name: str, why: str) -> None:
    assert reason(name, Scope.EXACT) == why


def test_an_entry_for_what_is_under_a_protected_name_is_held_back_too() -> None:
    assert reason("bank.co.id", Scope.SUBDOMAINS) == "protected"


@pytest.mark.parametrize("action", [Action.ALLOW, Action.MONITOR, Action.PASSTHRU])
def test_an_order_that_blocks_nothing_is_never_held_back(action: Action) -> None:
    assert reason("com", action=action) == ""


@pytest.mark.parametrize("action", sorted(set(Action) - {Action.ALLOW, Action.MONITOR, Action.PASSTHRU}))
def test_every_order_that_blocks_is(action: Action) -> None:
    assert reason("com", action=action) == "top-level name"


def test_without_suffixes_only_names_are_guarded() -> None:
    guard = Guard.of(None, [key_from_text("bank.co.id")], [], "d")
    assert reason("github.io", guard=guard) == ""
    assert reason("zip", guard=guard) == "top-level name"
    assert reason("co.id", guard=guard) == "protected"
    assert not Guard()
    assert guard
