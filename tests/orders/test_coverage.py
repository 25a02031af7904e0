"""What a document covers: names, hashes in their place, or a list in files of its own."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blockd.errors import BadOrder
from blockd.names import hashed_key, key_from_text, name_digest
from blockd.orders import Entry, ListStep, NameList, OrderDocument, Scope, parse_document
from blockd.orders.stored import order_to_json, parse_order

BARE: dict[str, Any] = {
    "schema": "1.0",
    "id": "sample-2026-01",
    "authority": "Sample Authority",
    "platform": "Example Messenger",
    "in_force_from": "2026-01-01",
}
SALT = bytes(range(16))
DIGEST = name_digest(key_from_text("chat.example.net"), SALT)
HASHED = {"salt": SALT.hex(), "names": [DIGEST.hex()]}
STEPS = [
    {"target": "lists/ministry/base.gz", "sha256": "a" * 64, "size": 500, "count": 20},
    {"target": "lists/ministry/1.gz", "sha256": "b" * 64, "size": 520, "count": 21},
]
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=70),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["salt", "names", "steps"]), inner),
    max_leaves=8,
)


def parsed(**fields: object) -> OrderDocument:
    return parse_document({**BARE, **fields}, "order.json")


def test_hashes_stand_for_the_names_of_a_confidential_order() -> None:
    document = parsed(confidential=True, hashed=HASHED, scope="exact")
    assert document.entries == (Entry(hashed_key(DIGEST), Scope.EXACT),)
    assert document.order.salt == SALT
    assert document.order.is_confidential
    assert "chat" not in document.entries[0].text


def test_a_salt_and_a_role_survive_the_catalogue() -> None:
    order = parsed(confidential=True, hashed=HASHED).order
    assert parse_order(order_to_json(order), "catalogue") == order


def test_a_document_cannot_give_itself_what_blockd_adds() -> None:
    order = parsed(names=["example.net"], _role="ministry", _salt="ab" * 16).order
    assert (order.role, order.salt, order.unknown) == ("", b"", {})


def test_a_list_in_files_is_known_by_its_steps() -> None:
    document = parsed(list={"steps": STEPS}, scope="subdomains")
    assert document.names == NameList(tuple(ListStep(**step) for step in STEPS))  # type: ignore[arg-type]
    assert document.names.last.count == 21
    assert (document.entries, document.scope) == ((), Scope.SUBDOMAINS)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, "names: expected a list of 1 to"),
        ({"names": ["a.example"], "list": {"steps": STEPS}}, "names, list: only one of them"),
        ({"hashed": HASHED}, "confidential: must be true with"),
        ({"names": ["a.example"], "confidential": True}, "confidential: must be true with"),
        ({"names": ["a.example"], "confidential": "yes"}, "confidential: must be true with"),
        ({"confidential": True, "hashed": {"salt": "ab", "names": [DIGEST.hex()]}}, "hashed: expected a salt"),
        ({"confidential": True, "hashed": {"salt": SALT.hex(), "names": ["ab"]}}, "hashed: expected hashes"),
        ({"confidential": True, "hashed": {"salt": SALT.hex(), "names": []}}, "hashed: expected a list of 1 to"),
        ({"confidential": True, "hashed": []}, "hashed: expected an object"),
        ({"list": {"steps": []}}, "list: expected 1 to"),
        ({"list": {"steps": [{**STEPS[0], "target": "lists/../x"}]}}, "list.steps[0]"),
        ({"list": {"steps": [{**STEPS[0], "target": "orders/x.json"}]}}, "list.steps[0]"),
        ({"list": {"steps": [{**STEPS[0], "count": 500}]}}, "list.steps[0]"),
        ({"list": {"steps": [{**STEPS[0], "count": True}]}}, "list.steps[0]"),
        ({"list": {"steps": [{**STEPS[0], "sha256": "A" * 64}]}}, "list.steps[0]"),
        ({"list": {"steps": [STEPS[0], "x"]}}, "list.steps[1]"),
    ],
)
def test_what_cannot_be_covered_is_told(fields: dict[str, object], said: str) -> None:
    with pytest.raises(BadOrder) as caught:
        parsed(**fields)
    assert any(said in problem for problem in caught.value.problems)


@given(st.dictionaries(st.sampled_from(["names", "hashed", "list", "confidential", "scope"]), JSON_VALUES))
def test_any_json_is_parsed_or_refused(fields: dict[str, object]) -> None:
    with contextlib.suppress(BadOrder):
        document = parsed(**fields)
        assert document.entries or document.names
