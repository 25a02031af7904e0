from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from blockd.names import hashed_key
from blockd.orders import Action, Entry, Mandate, Notice, Order
from blockd.orders.disclosure import Codes, PublicOperator, codes, disclosed, public_fields, public_text

TEXTS = ("platform", "summary", "reported_by", "assessed_by", "decided_by", "lumen_id", "lifted_reason")


def order(salt: bytes = b"") -> Order:
    made = Order(
        "order-1",
        "Sample Authority",
        "Messenger",
        action=Action.CNAME,
        mandate=Mandate.LAW,
        in_force_from=0,
        legal_basis="Sample regulation 1",
        contact="objections@example.net",
        notices=(Notice("2026-01-01", text="of a notice"),),
        cname="landing.example",
        salt=salt,
        role="ministry",
        unknown={"later": "of a later schema"},
    )
    texts: dict[str, Any] = {name: f"secret {name}" for name in TEXTS}
    return replace(made, **texts)


def test_an_order_is_told_without_what_blockd_has_added() -> None:
    told = public_fields(order())
    assert not [name for name in told if name.startswith("_")]
    assert {*TEXTS, "notices", "cname", "later"} <= told.keys()


def test_of_a_confidential_order_nothing_is_told_that_may_say_what_it_is_about() -> None:
    told = public_fields(order(b"s" * 16))
    assert told == {
        "called": "ministry/order-1",
        "id": "order-1",
        "authority": "Sample Authority",
        "action": "cname",
        "mandate": "law",
        "legal_basis": "Sample regulation 1",
        "contact": "objections@example.net",
        "in_force_from": "1970-01-01T00:00:00Z",
        "confidential": True,
    }
    json.dumps(told)


def test_an_entry_that_is_a_hash_is_not_told() -> None:
    assert public_text(Entry(hashed_key(b"h" * 16))) == "confidential"
    assert public_text(Entry(b"\7example")) == "example"


def unnamed_list(**stated: Any) -> Order:
    return replace(
        Order("national", "", "", action=Action.SINKHOLE, mandate=None, in_force_from=None, list_name="national"),
        **stated,
    )


def test_a_list_is_told_by_its_name_and_by_nothing_that_nobody_has_stated() -> None:
    assert public_fields(unnamed_list()) == {"list": "national", "schema": "1.0", "action": "sinkhole"}


@pytest.mark.parametrize(
    ("order", "operator", "issuer", "contact", "contact_of"),
    [
        (unnamed_list(), PublicOperator(), "", "", "nobody"),
        (unnamed_list(), PublicOperator("ISP", "help@isp.example"), "ISP", "help@isp.example", "operator"),
        (unnamed_list(authority="Board"), PublicOperator("ISP", "h@isp.example"), "Board", "h@isp.example", "operator"),
        (unnamed_list(contact="a@b.example"), PublicOperator("ISP", "help@isp.example"), "ISP", "a@b.example", "order"),
        (order(), PublicOperator("ISP", "help@isp.example"), "Sample Authority", "objections@example.net", "order"),
    ],
)
def test_who_is_behind_a_block_is_who_is_named(
    order: Order, operator: PublicOperator, issuer: str, contact: str, contact_of: str
) -> None:
    known = disclosed(order, operator)
    assert known.called == ("list national" if order.list_name else "order ministry/order-1")
    assert (known.issuer, known.contact, known.contact_of) == (issuer, contact, contact_of)


@pytest.mark.parametrize(
    ("mandate", "expected"),
    [
        (Mandate.LAW, Codes(451, 16)),
        (Mandate.OPERATOR, Codes(403, 15)),
        (Mandate.CLIENT, Codes(403, 17)),
        (None, Codes(451, 15)),
    ],
)
def test_the_numbers_follow_from_the_mandate(mandate: Mandate | None, expected: Codes) -> None:
    assert codes(replace(order(), mandate=mandate)) == expected
    assert codes(unnamed_list(mandate=mandate)) == expected
