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
