"""Structured DNS errors: what programs are told of a block, by the drafts, and no more than people are told."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blockd.orders import Action, Mandate, Order
from blockd.orders.disclosure import PublicOperator
from blockd.orders.structured import MAX_STRUCTURED, structured_text, without_less_needed

OPERATOR = PublicOperator("Sample Net", "noc@sample.example")


def order(**fields: Any) -> Order:
    values: dict[str, Any] = {
        "id": "2026-07",
        "role": "ministry",
        "authority": "Sample Authority",
        "platform": "Messenger",
        "action": Action.SINKHOLE,
        "mandate": Mandate.LAW,
        "in_force_from": 0,
        "contact": "objections@example.net",
        **fields,
    }
    return Order(**values)


def told(made: Order, operator: PublicOperator = OPERATOR, database: str = "", **more: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(structured_text(made, operator, database, **more))
    return found


def test_who_ordered_it_who_filters_where_to_object_and_where_it_is_written() -> None:
    text = structured_text(order(), OPERATOR, "sample")
    assert text == (
        '{"c":["mailto:objections@example.net"],"fdbs":[{"db":"sample","id":"ministry/2026-07"}],'
        '"l":"en","j":"order ministry/2026-07, Sample Authority","o":"Sample Net"}'
    )


@pytest.mark.parametrize(
    ("mandate", "sub_error"), [(Mandate.LAW, None), (Mandate.OPERATOR, 6), (Mandate.CLIENT, None), (None, None)]
)
def test_a_sub_error_goes_with_code_15_alone_where_the_operator_decided(
    mandate: Mandate | None, sub_error: int | None
) -> None:
    assert told(order(mandate=mandate)).get("s") == sub_error


def test_the_operator_is_asked_where_the_order_names_no_contact() -> None:
    assert told(order(contact=""))["c"] == ["mailto:noc@sample.example"]
    assert "c" not in told(order(contact=""), PublicOperator("Sample Net"))


def test_a_contact_that_is_a_link_is_said_in_words_and_never_as_a_uri() -> None:
    found = told(order(contact="https://example.net/objections"))
    assert "c" not in found
    assert found["j"] == "order ministry/2026-07, Sample Authority; objections: https://example.net/objections"


@pytest.mark.parametrize(
    ("language", "justification"),
    [
        ("", "order ministry/2026-07, Sample Authority; list not renewed in time"),
        ("en-GB", "order ministry/2026-07, Sample Authority; list not renewed in time"),
        ("id", "perintah ministry/2026-07, Sample Authority; daftar tidak diperbarui tepat waktu"),
        ("fr", "ministry/2026-07, Sample Authority"),
    ],
)
def test_the_language_is_that_of_the_order(language: str, justification: str) -> None:
    found = told(order(language=language), stale=True)
    assert (found["l"], found["j"]) == (language or "en", justification)


def test_the_notice_in_a_public_database_is_named_beside_the_operators() -> None:
    made = order(lumen_id="51234567")
    lumen = {"db": "lumen", "id": "51234567"}
    assert told(made)["fdbs"] == [lumen]
    assert told(made, database="sample")["fdbs"] == [{"db": "sample", "id": "ministry/2026-07"}, lumen]


def test_of_a_confidential_order_nothing_but_its_id_who_ordered_it_and_where_to_object() -> None:
    secret = {
        name: f"secret {name}" for name in ("summary", "reported_by", "assessed_by", "decided_by", "lifted_reason")
    }
    made = order(salt=b"s" * 16, platform="Messenger", lumen_id="51234567", legal_basis="Law 1", **secret)
    assert told(made, database="sample") == {
        "c": ["mailto:objections@example.net"],
        "fdbs": [{"db": "sample", "id": "ministry/2026-07"}],
        "l": "en",
        "j": "order ministry/2026-07, Sample Authority",
        "o": "Sample Net",
    }


def test_a_list_is_called_by_its_name_and_is_in_no_database() -> None:
    found = told(order(role="", list_name="ads", authority=""), database="sample")
    assert "fdbs" not in found
    assert found["j"] == "list ads, Sample Net"


def test_justification_and_organization_are_left_out_first_then_all() -> None:
    long = order(authority="A" * MAX_STRUCTURED)
    assert told(long, database="sample").keys() == {"c", "fdbs"}
    assert structured_text(order(authority="A" * MAX_STRUCTURED, contact=""), PublicOperator()) == ""


def test_what_is_left_out_for_want_of_room_leaves_what_clients_need() -> None:
    text = structured_text(order(mandate=Mandate.OPERATOR), OPERATOR, "sample").encode()
    short = json.loads(without_less_needed(text))
    assert short.keys() == {"c", "s", "fdbs"}
    assert without_less_needed(structured_text(order(contact=""), PublicOperator(), "sample").encode()) == b"", (
        "a client ignores an error that has neither contact nor sub-error nor justification"
    )


TEXT = st.text(max_size=300)
FIELD = st.one_of(TEXT, st.just(',"l":"'), st.just("\\"), st.just('"},"l":'), st.just("\ufffe\U0001ffff\ud800 \u0301"))


@given(authority=FIELD, contact=FIELD, name=FIELD, mandate=st.sampled_from(list(Mandate)), stale=st.booleans())
def test_any_texts_make_i_json_that_fits_and_that_clients_take(
    *, authority: str, contact: str, name: str, mandate: Mandate, stale: bool
) -> None:
    made = order(authority=authority, contact=contact, mandate=mandate)
    operator = PublicOperator(name, contact)
    text = structured_text(made, operator, "sample", stale=stale)
    assert len(text.encode()) <= MAX_STRUCTURED  # so it is UTF-8, which half of a surrogate pair is not
    if text:
        found = json.loads(text)
        assert found.keys() & {"c", "j", "s"}
        assert list(found) == list(dict.fromkeys(found)), "I-JSON has no member twice"
        assert not any(0xFDD0 <= ord(c) <= 0xFDEF or ord(c) & 0xFFFE == 0xFFFE for c in text)
        short = without_less_needed(text.encode())
        if short:
            assert json.loads(short).items() <= found.items()
            assert not json.loads(short).keys() & {"j", "o", "l"}
            assert json.loads(short).keys() & {"c", "s"}
