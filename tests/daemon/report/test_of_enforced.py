"""What is found of the orders enforced is found once, and again when they change."""

from __future__ import annotations

import gc
from collections import Counter
from pathlib import Path

from blockd.daemon.report.of_enforced import OfEnforced
from blockd.daemon.report.order_counts import OrderCounts
from blockd.orders import State
from blockd.ruleset import Enforced
from blockd.ruleset.states import OrderStates, StatesMemory
from tests.ruleset.lists import NOW, compiled, feed, listing, order

FUTURE = NOW + 3600


def subject(folder: Path) -> Enforced:
    folder.mkdir()
    later = order("later", start=FUTURE)
    ruleset = compiled(
        folder / "list.ruleset", feed("f", listing(order("o"), "a.example"), listing(later, "b.example"))
    )
    orders = [record.order for record in ruleset.catalogue.orders]
    return Enforced(1, ruleset, OrderStates(StatesMemory.make(orders, [1, 2], NOW), len(orders), writable=True))


def test_it_is_found_once_for_each_change(tmp_path: Path) -> None:
    found: list[Enforced | None] = []

    def find(enforced: Enforced | None) -> OrderCounts:
        found.append(enforced)
        return OrderCounts.of(enforced)

    known, first = OfEnforced(find), subject(tmp_path / "one")
    assert known(first).by_state == {State.IN_FORCE: 1, State.PENDING: 1}
    assert known(first) is known(first)
    assert len(found) == 1
    states = first.states
    assert isinstance(states, OrderStates)
    states.update([record.order for record in first.ruleset.catalogue.orders], FUTURE, {0})
    assert known(first).by_state == {State.IN_FORCE: 2}
    assert known(first).stale_of == {"f": 1}
    second = subject(tmp_path / "two")
    assert known(second).by_state == {State.IN_FORCE: 1, State.PENDING: 1}
    assert known(None).orders == Counter()
    assert known(first).by_state == {State.IN_FORCE: 2}


def test_what_is_no_longer_enforced_is_not_kept(tmp_path: Path) -> None:
    known, first = OfEnforced(OrderCounts.of), subject(tmp_path / "one")
    known(first)
    number = id(first)
    del first
    gc.collect()
    assert not [one for one in gc.get_objects() if isinstance(one, Enforced) and id(one) == number]
