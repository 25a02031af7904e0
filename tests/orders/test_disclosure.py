from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from blockd.names import hashed_key
from blockd.orders import Action, Entry, Mandate, Notice, Order
from blockd.orders.disclosure import public_fields, public_text

TEXTS = ("platform", "summary", "reported_by", "assessed_by", "decided_by", "lifted_reason")


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
