"""The schema says what blockd reads: both are held against the same documents."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Mapping
from typing import Any

import pytest

from blockd.errors import BadOrder
from blockd.orders import Action, Mandate, parse_document
from blockd.orders.coverage import MAX_LIST_SIZE, MAX_LISTED, MAX_NAMES, MAX_STEPS
from blockd.orders.fields import MAX_NOTICES, MAX_TEXT
from blockd.publish.lint import FIELDS
from blockd.publish.schema import schema_text
from tests.places import ROOT
from tests.publish.staging import read_documents

ORDERS = ROOT / "config" / "lists" / "orders"
SCHEMA: dict[str, Any] = json.loads(schema_text())
TYPES = {"object": dict, "array": list, "string": str, "boolean": bool, "integer": int, "null": type(None)}
GOOD: dict[str, Any] = {
    "schema": "1.0",
    "id": "order-1",
    "authority": "Sample Authority",
    "platform": "Example Messenger",
    "in_force_from": "2026-01-01",
    "names": ["example.net"],
}
STEP = {"target": "lists/a/order-1-0001.base.gz", "sha256": "0" * 64, "size": 20, "count": 2}
NO_NAMES = {key: value for key, value in GOOD.items() if key != "names"}
HASHED = {**NO_NAMES, "confidential": True, "hashed": {"salt": "00" * 16, "names": ["ff" * 16]}}
LISTED = {**NO_NAMES, "list": {"steps": [STEP]}}


def fits(value: object, schema: Mapping[str, Any]) -> bool:
    """Return whether a value is what the schema says, by the keywords that this one uses (JSON Schema 2020-12)."""
    unknown = schema.keys() - KEYWORDS.keys() - {"$schema", "title", "description", "default", "$defs"}
    assert not unknown, f"the test does not know {unknown}"
    return all(KEYWORDS[word](value, wanted) for word, wanted in schema.items() if word in KEYWORDS)


def _has_type(value: object, kind: str) -> bool:
    return isinstance(value, TYPES[kind]) and (kind == "boolean" or not isinstance(value, bool))


def _refers(value: object, place: str) -> bool:
    return fits(value, SCHEMA["$defs"][place.removeprefix("#/$defs/")])


def _is(kind: type) -> Any:
    return lambda value: isinstance(value, kind)


text, many, fields, number = _is(str), _is(list), _is(dict), _is(int)
KEYWORDS: dict[str, Any] = {
    "type": _has_type,
    "$ref": _refers,
    "enum": lambda value, wanted: value in wanted,
    "required": lambda value, wanted: not fields(value) or set(wanted) <= value.keys(),
    "properties": lambda value, wanted: (
        not fields(value) or all(fits(value[name], inner) for name, inner in wanted.items() if name in value)
    ),
    "items": lambda value, wanted: not many(value) or all(fits(item, wanted) for item in value),
    "minItems": lambda value, wanted: not many(value) or len(value) >= wanted,
    "maxItems": lambda value, wanted: not many(value) or len(value) <= wanted,
    "minLength": lambda value, wanted: not text(value) or len(value) >= wanted,
    "maxLength": lambda value, wanted: not text(value) or len(value) <= wanted,
    "pattern": lambda value, wanted: not text(value) or bool(re.search(wanted, value)),
    "minimum": lambda value, wanted: not number(value) or value >= wanted,
    "maximum": lambda value, wanted: not number(value) or value <= wanted,
    "anyOf": lambda value, wanted: any(fits(value, inner) for inner in wanted),
    "oneOf": lambda value, wanted: sum(fits(value, inner) for inner in wanted) == 1,
}


def reads(document: object) -> bool:
    try:
        parse_document(document, "order")
    except BadOrder:
        return False
    return True


def test_schema_has_every_field_of_an_order() -> None:
    assert set(SCHEMA["properties"]) == FIELDS


def test_schema_has_every_word_and_every_limit() -> None:
    fields = SCHEMA["properties"]
    assert set(fields["action"]["enum"]) == {action for action in Action if not action.is_zones}
    assert set(fields["mandate"]["enum"]) == set(Mandate)
    assert fields["summary"]["maxLength"] == MAX_TEXT
    assert fields["notices"]["maxItems"] == MAX_NOTICES
    assert fields["names"]["maxItems"] == fields["hashed"]["properties"]["names"]["maxItems"] == MAX_NAMES
    steps = fields["list"]["properties"]["steps"]
    assert steps["maxItems"] == MAX_STEPS
    assert steps["items"]["properties"]["size"]["maximum"] == MAX_LIST_SIZE
    assert steps["items"]["properties"]["count"]["maximum"] == MAX_LISTED


@pytest.mark.parametrize("document", [GOOD, HASHED, LISTED, {**GOOD, "expires": None, "scope": "exact", "schema": "1"}])
def test_good_document_fits_and_is_read(document: dict[str, Any]) -> None:
    assert fits(document, SCHEMA)
    assert reads(document)


def test_sample_orders_fit() -> None:
    for content in read_documents(sorted(ORDERS.glob("*.yaml"))).values():
        assert fits(json.loads(content), SCHEMA)


@pytest.mark.parametrize("document", [GOOD, {**GOOD, "schema": "1.7"}, HASHED, LISTED])
def test_unknown_field_is_kept(document: dict[str, Any]) -> None:
    later = {**document, "later": {"a": [1]}}
    assert fits(later, SCHEMA)
    assert parse_document(later, "order").order.unknown == {"later": {"a": [1]}}


@pytest.mark.parametrize(
    "change",
    [
        {"schema": "2.0"},
        {"schema": None},
        {"id": "Order"},
        {"id": "a" * 81},
        {"authority": ""},
        {"action": "local"},
        {"action": "explode"},
        {"mandate": "god"},
        {"expires": "soon"},
        {"summary": "x" * (MAX_TEXT + 1)},
        {"summary": 7},
        {"lumen_id": 51234567},
        {"lumen_id": "https://lumendatabase.org/notices/51234567"},
        {"notices": [{"channel": "e-mail"}]},
        {"names": []},
        {"names": [7]},
        {"names": [{"name": "example.net", "scope": "all"}]},
        {"scope": "all"},
        {"list": {"steps": [STEP]}},
        {"hashed": HASHED["hashed"], "confidential": True},
    ],
)
def test_wrong_document_neither_fits_nor_is_read(change: dict[str, Any]) -> None:
    assert not fits({**GOOD, **change}, SCHEMA)
    assert not reads({**GOOD, **change})


@pytest.mark.parametrize(
    ("name", "value"),
    [("target", "orders/x"), ("sha256", "00"), ("size", 0), ("count", 0), ("count", "2"), ("size", MAX_LIST_SIZE + 1)],
)
def test_wrong_step_neither_fits_nor_is_read(name: str, value: object) -> None:
    document = copy.deepcopy(LISTED)
    document["list"]["steps"][0][name] = value
    assert not fits(document, SCHEMA)
    assert not reads(document)


@pytest.mark.parametrize("hashes", [{"salt": "00", "names": ["ff" * 16]}, {"salt": "00" * 16, "names": ["ff"]}, {}])
def test_wrong_hashes_neither_fit_nor_are_read(hashes: dict[str, object]) -> None:
    assert not fits({**HASHED, "hashed": hashes}, SCHEMA)
    assert not reads({**HASHED, "hashed": hashes})
