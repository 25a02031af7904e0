from __future__ import annotations

import pytest

from blockd.names import Network, key_from_text
from blockd.orders import Action, Entry, Mandate, Order, Reason, Scope, Verdict

ORDER = Order("o", "a", "p", Action.NXDOMAIN, Mandate.LAW, 0)


@pytest.mark.parametrize(
    ("reason", "action", "touches"),
    [
        (Reason.NOT_LISTED, None, False),
        (Reason.NOT_IN_FORCE, None, False),
        (Reason.LISTED, Action.NXDOMAIN, True),
        (Reason.ALLOWED, Action.NXDOMAIN, False),
        (Reason.MONITORED, Action.NXDOMAIN, False),
    ],
)
def test_only_an_order_in_force_has_an_action(reason: Reason, action: Action | None, touches: bool) -> None:
    verdict = Verdict(reason, ORDER)
    assert verdict.action is action
    assert verdict.touches is touches


def test_a_verdict_without_order_has_no_action() -> None:
    assert Verdict(Reason.NOT_LISTED).action is None
    assert Verdict(Reason.NOT_READY).action is None
    assert Verdict(Reason.NOT_READY).touches
    assert not Verdict(Reason.NOT_READY).stops


def test_an_entry_is_written_as_people_do() -> None:
    assert Entry(key_from_text("bücher.example")).text == "xn--bcher-kva.example"
    assert Entry(Network.from_text("8.8.8.0/24").key).text == "8.8.8.0/24"
    assert Entry(Network.from_text("2606:4700::1111").key).text == "2606:4700::1111"


@pytest.mark.parametrize("scope", [Scope.EXACT, Scope.SUBDOMAINS, Scope.BOTH])
def test_a_scope_comes_back_from_its_word(scope: Scope) -> None:
    assert Scope.from_text(scope.text) is scope


def test_an_unknown_scope_is_refused() -> None:
    with pytest.raises(KeyError):
        Scope.from_text("some")
