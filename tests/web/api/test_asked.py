"""Whatever a request holds is read as what its route takes, or refused with a sentence; nothing else happens."""

from __future__ import annotations

import json
import typing
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blockd.web.api.asked import MAX_NUMBER, Malformed, fields_of, read, read_query
from blockd.web.api.bodies import VersionToEnforce
from blockd.web.api.schema import Schemas
from blockd.web.api.table import ROUTES
from tests.effort import tries

BODIES = [route.asks for route in ROUTES if route.method == "POST" and route.asks is not None]
QUERIES = [route.asks for route in ROUTES if route.method == "GET" and route.asks is not None]
NAMES = sorted({field.name for kind in (*BODIES, *QUERIES) for field in fields_of(kind)} | {"", "odd", "__class__"})

EXAMPLES = tries(30, 1_000)  # of each dataclass

plain = (
    st.none()
    | st.booleans()
    | st.integers(-2, MAX_NUMBER + 2)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
)
values = st.recursive(
    plain, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4)
)


def taken(read_it: Callable[[], object]) -> bool:
    try:
        read_it()
    except Malformed:
        return False
    return True


def body_of(kind: type) -> st.SearchStrategy[dict[str, Any]]:
    """Return bodies that often are what is asked for, and often nearly so."""
    fields = [(field.name, field.kind) for field in fields_of(kind)]
    near = st.fixed_dictionaries({}, optional={name: _near(inner) | values for name, inner in fields})
    return near | st.dictionaries(st.sampled_from(NAMES), values, max_size=4)


def _near(kind: Any) -> st.SearchStrategy[Any]:
    if typing.get_origin(kind) is typing.Literal:
        return st.sampled_from(typing.get_args(kind))
    if typing.get_origin(kind) is list:
        return st.lists(_near(typing.get_args(kind)[0]), max_size=3)
    if kind in (str, bool, int):
        return {str: st.text(st.characters(exclude_categories=["Cs"])), bool: st.booleans(), int: st.integers(0)}[kind]
    return body_of(kind)


@pytest.mark.parametrize("kind", BODIES, ids=lambda kind: str(kind.__name__))
def test_a_body_is_read_if_the_document_allows_it_and_else_refused(kind: type) -> None:
    schemas = pytest.importorskip("jsonschema_rs", reason="what checks JSON against schemas is not installed")
    made = Schemas()
    schema = {**made.asked(kind), "components": {"schemas": made.named}}
    validator = schemas.Draft202012Validator(schema)

    @settings(max_examples=EXAMPLES, deadline=None)
    @given(body_of(kind))
    def check(body: dict[str, Any]) -> None:
        assert taken(lambda: read(kind, body)) == validator.is_valid(body)

    check()


@pytest.mark.parametrize("kind", QUERIES, ids=lambda kind: str(kind.__name__))
def test_any_query_is_read_or_refused(kind: type) -> None:
    texts = st.text(max_size=40) | st.from_regex(r"[0-9]{1,30}", fullmatch=True) | st.sampled_from(["true", "", "1d"])

    @settings(max_examples=EXAMPLES, deadline=None)
    @given(st.dictionaries(st.sampled_from(NAMES), st.lists(texts, min_size=1, max_size=2), max_size=4))
    def check(query: dict[str, list[str]]) -> None:
        if any(len(found) > 1 for found in query.values()):
            assert not taken(lambda: read_query(kind, query))
        else:
            taken(lambda: read_query(kind, query))  # raises nothing else

    check()


@pytest.mark.parametrize("number", [MAX_NUMBER, 1, 1.0, 2.0**53 - 1])
def test_a_number_that_every_reader_has_exactly_is_taken(number: float) -> None:
    assert read(VersionToEnforce, {"version": number, "reason": "why"}).version == number


@pytest.mark.parametrize("number", [0, -1, MAX_NUMBER + 1, 10**400, 1.5, float("inf"), float("nan"), True, "1", None])
def test_any_other_is_refused(number: object) -> None:
    with pytest.raises(Malformed, match="version"):
        read(VersionToEnforce, {"version": number, "reason": "why"})


def test_examples_in_the_document_are_taken() -> None:
    tried = 0
    for kind in BODIES:
        for example in getattr(kind, "EXAMPLES", ()):
            assert isinstance(read(kind, json.loads(example)), kind)
            tried += 1
    assert tried > 10
