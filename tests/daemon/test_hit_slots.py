"""Which counter belongs to which order, as orders come and go."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blockd.daemon.hit_slots import SHARED, HitSlots, labels_of
from blockd.metrics import Counters
from blockd.orders import Action
from blockd.ruleset import Catalogue
from blockd.ruleset.catalogue import OrderRecord
from tests.ruleset.lists import enforced, feed, order
from tests.ruleset.lists import listing as listed

SIZE = 4  # slots, of which 1 to 3 can have an owner


def listing(*ids: str, action: Action = Action.SINKHOLE) -> Catalogue:
    return Catalogue((), tuple(OrderRecord(replace(order(one), action=action), "f", 1) for one in ids), "")


def slots_at(folder: Path, counters: Counters | None = None, size: int = SIZE) -> HitSlots:
    return HitSlots(folder / "slots.json", clear=counters.clear_hits if counters else lambda _: None, size=size)


def test_an_order_keeps_its_slot_and_a_new_one_gets_another(tmp_path: Path) -> None:
    slots = slots_at(tmp_path)
    assert slots.of(listing("a", "b"), 1, [1]) == [1, 2]
    assert slots.of(listing("c", "b"), 2, [1, 2]) == [3, 2]


def test_two_authorities_orders_of_one_id_have_each_a_slot_and_a_series(tmp_path: Path) -> None:
    roles = tuple(OrderRecord(replace(order("17"), role=role), "f", 1) for role in ("court", "bank", ""))
    catalogue = Catalogue.from_json(Catalogue((), roles).to_json())
    slots = slots_at(tmp_path)
    assert slots.of(catalogue, 1, [1]) == [1, 2, 3]
    assert [labels.order for labels in slots.slots] == ["court/17", "bank/17", "targets/17"]
    assert slots.of(Catalogue((), roles[1:2]), 2, [1, 2]) == [2]


def test_orders_without_a_slot_share_one_and_have_no_series(tmp_path: Path) -> None:
    slots = slots_at(tmp_path)
    assert slots.of(listing(*"abcde"), 1, [1]) == [1, 2, 3, SHARED, SHARED]
    assert {labels.order for labels in slots.slots} == set("abc")


def test_a_slot_comes_back_once_no_version_kept_lists_its_order(tmp_path: Path) -> None:
    slots = slots_at(tmp_path)
    slots.of(listing(*"abc"), 1, [1])
    assert slots.of(listing(*"bcd"), 2, [1, 2]) == [2, 3, SHARED]  # version 1 may still be enforced
    assert slots.of(listing(*"bcd"), 3, [2, 3]) == [2, 3, 1]


def test_an_old_version_that_is_kept_holds_the_slots_of_its_own_orders_only(tmp_path: Path) -> None:
    slots = slots_at(tmp_path)
    slots.of(listing("a"), 1, [1])
    slots.of(listing("a", "b", "c"), 5, [1, 5])
    assert slots.of(listing("d", "e"), 9, [1, 9]) == [2, 3]
    assert {labels.order for labels in slots.slots} == {"a", "d", "e"}


def test_the_next_owner_begins_at_zero(tmp_path: Path) -> None:
    counters = Counters(1)
    slots = slots_at(tmp_path, counters)
    [slot] = slots.of(listing("a"), 1, [1])
    for kind in range(3):
        counters.row(0).hit(slot, kind)
    [*_, again] = slots.of(listing("b", "c", "d"), 2, [2])
    assert {labels.order for labels in slots.slots} == {"b", "c", "d"}
    assert again == 3
    assert [counters.hits(one) for one in range(SIZE)] == [[0, 0, 0]] * SIZE


def test_what_an_order_had_under_another_action_stays_as_long_as_the_order_does(tmp_path: Path) -> None:
    slots = slots_at(tmp_path)
    slots.of(listing("a"), 1, [1])
    slots.of(listing("a", action=Action.NXDOMAIN), 2, [2])
    assert {labels.action for labels in slots.slots} == {Action.SINKHOLE, Action.NXDOMAIN}
    slots.of(listing("b"), 3, [3])
    assert {labels.order for labels in slots.slots} == {"b"}


def test_slots_are_read_back(tmp_path: Path) -> None:
    slots = slots_at(tmp_path)
    slots.of(listing("a", "b"), 1, [1])
    slots.of(listing("b", "c"), 2, [1, 2])
    slots.save()
    again = HitSlots.load(tmp_path / "slots.json")
    assert again.slots == slots.slots
    assert again.of(listing("d", "b"), 3, [2, 3])[1] == slots.slots[labels_of("f", order("b"))]
    assert {labels.order for labels in again.slots} == {"b", "c", "d"}


@pytest.mark.parametrize(
    "content", ["", "{}", "[[]]", "[1]", '[["f","p","o","a",1]]', '[[["f","p","o","a"],99999,1,1]]']
)
def test_a_damaged_file_is_as_none(tmp_path: Path, content: str) -> None:
    (tmp_path / "slots.json").write_text(content, encoding="utf-8")
    slots = HitSlots.load(tmp_path / "slots.json")
    assert slots.of(listing("a"), 1, [1]) == [1]


@settings(max_examples=200)
@given(st.lists(st.tuples(st.sets(st.sampled_from("abcdef")), st.integers(1, 3), st.sampled_from(list(Action)[:2]))))
def test_no_series_of_an_order_that_is_listed_ever_goes_backwards(
    tmp_path_factory: pytest.TempPathFactory, history: list[tuple[set[str], int, Action]]
) -> None:
    counters = Counters(1)
    slots = slots_at(tmp_path_factory.getbasetemp(), counters)
    shown: dict[object, int] = {}
    total = 0
    versions: list[int] = []
    for version, (ids, keep, action) in enumerate(history, 1):
        versions.append(version)
        catalogue = listing(*sorted(ids), action=action)
        given_slots = slots.of(catalogue, version, versions)
        assert len({slot for slot in given_slots if slot}) == sum(slot != SHARED for slot in given_slots)
        for record, slot in zip(catalogue.orders, given_slots, strict=True):
            before = counters.hits(slot)[0]
            if slot:
                assert before == shown.get(labels_of("f", record.order), 0)
            counters.row(0).hit(slot)
            total += 1
        versions = versions[-keep:]
        shown = {labels: counters.hits(slot)[0] for labels, slot in slots.slots.items()}
    assert sum(shown.values()) + counters.hits(SHARED)[0] <= total


def test_slots_that_could_not_be_saved_are_those_of_what_is_enforced(tmp_path: Path) -> None:
    orders = [order("a"), order("b")]
    slots = HitSlots(tmp_path / "lost.json")
    one = enforced(tmp_path, feed("f", *(listed(made, f"{made.id}.example") for made in orders)))
    slots.adopt(one)
    assert sorted(slots.slots.values()) == sorted(one.states.hit_slots)
    catalogue = one.ruleset.catalogue
    assert slots.of(catalogue, 2, [1, 2]) == list(one.states.hit_slots)
    slots.adopt(None)
    one.close()
