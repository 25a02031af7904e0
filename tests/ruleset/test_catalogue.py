from __future__ import annotations

import json
from dataclasses import replace

import pytest

from blockd.errors import RulesetError
from blockd.orders import Action, Mandate, Order
from blockd.ruleset import Catalogue, OrderRecord
from blockd.ruleset.catalogue import FeedRecord
from blockd.ruleset.format import MAX_ORDERS

FEED = FeedRecord("gov", "signed", 10, 3, "ab" * 32)


def order(name: str, summary: str = "") -> OrderRecord:
    made = Order(name, "Ministry", "Platform", Action.SINKHOLE, Mandate.LAW, in_force_from=1, summary=summary)
    return OrderRecord(made, "gov", 1)


ORDERS = (order("one"), order("two", 'Lines,\n"orders": [\nand }\n, more'), order("three", "“é” \u2028 and more"))
CATALOGUE = Catalogue((FEED,), ORDERS, "made from")


@pytest.mark.parametrize("orders", [(), ORDERS[:1], ORDERS])
def test_what_is_written_is_read_again(orders: tuple[OrderRecord, ...]) -> None:
    catalogue = replace(CATALOGUE, orders=orders)
    octets = catalogue.to_json()
    assert Catalogue.from_json(octets) == catalogue
    assert json.loads(octets)["made_from"] == "made from"
    assert list(catalogue.by_line(octets).values()) == list(orders)


def test_orders_that_are_known_are_not_read_again() -> None:
    known = CATALOGUE.by_line(CATALOGUE.to_json())
    changed = replace(CATALOGUE, orders=(order("new"), ORDERS[1], replace(ORDERS[2], names=2)))
    found = Catalogue.from_json(changed.to_json(), known)
    assert found == changed
    assert [any(record is one for one in ORDERS) for record in found.orders] == [False, True, False]


def test_a_catalogue_without_lines_is_read_too() -> None:
    octets = json.dumps(json.loads(CATALOGUE.to_json())).encode()
    assert Catalogue.from_json(octets) == CATALOGUE
    assert CATALOGUE.by_line(octets) == {}


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"[]",
        b"{}",
        b'{"feeds": [], "made_from": "", "orders": [\n\n}',
        b'{"feeds": [], "made_from": "", "orders": [\n7\n]}',
        b'{"feeds": [], "made_from": "", "orders": [\n{},\n\n]}',
        b'{"feeds": [{"name": 1, "orders": [\n{}\n]}',
        b'{"made_from": "", "orders": [\n\n]}',
        b'{"feeds": [], "made_from": "", "orders": [\n' + b",\n" * MAX_ORDERS + b"\n]}",
    ],
)
def test_what_is_no_catalogue_is_refused(octets: bytes) -> None:
    with pytest.raises(RulesetError, match="its catalogue"):
        Catalogue.from_json(octets)


def signed(feed: str, role: str, identifier: str = "17") -> OrderRecord:
    record = order(identifier)
    return replace(record, feed=feed, order=replace(record.order, role=role))


def names(catalogue: Catalogue) -> list[str]:
    return [record.order.name for record in catalogue.orders]


def test_orders_that_are_read_are_called_as_is_unmistakable_among_them() -> None:
    listed = replace(order("17"), feed="ads", order=replace(order("17").order, list_name="ads"))
    orders = (signed("gov", ""), signed("gov", "court"), signed("gov", "bank"), signed("land", "bank", "18"), listed)
    catalogue = Catalogue.from_json(replace(CATALOGUE, orders=orders).to_json())
    assert names(catalogue) == ["targets/17", "court/17", "gov/bank/17", "land/bank/18", "17"]
    assert catalogue == replace(CATALOGUE, orders=orders)  # what an order is called is no part of it
    assert [catalogue.find(name) for name in names(catalogue)] == [[0], [1], [2], [3], [0, 2, 1]]
    assert [catalogue.find(asked) for asked in ("bank/17", "bank/18", "land/bank/17", "19")] == [[2], [3], [], []]


def test_order_that_was_read_before_is_called_as_among_the_others_of_now() -> None:
    both = replace(CATALOGUE, orders=(signed("gov", "court"), signed("land", "court"))).to_json()
    alone = replace(CATALOGUE, orders=(signed("gov", "court"),)).to_json()
    before = Catalogue.from_json(both)
    assert names(before) == ["gov/court/17", "land/court/17"]
    after = Catalogue.from_json(alone, before.by_line(both))
    assert names(after) == ["court/17"]
    assert names(Catalogue.from_json(both, after.by_line(alone))) == names(before)


def test_role_that_no_authority_can_have_is_not_read() -> None:
    for role in ("a/b", "targets", "A", "x" * 40):
        with pytest.raises(RulesetError, match="were not written by blockd"):
            Catalogue.from_json(replace(CATALOGUE, orders=(signed("gov", role),)).to_json())
