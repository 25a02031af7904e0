"""The URIs by which those are reached whom a contact names."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blockd.orders.contact import MAX_CONTACTS, MAX_URI, contact_uris


@pytest.mark.parametrize(
    ("contact", "uris"),
    [
        ("objections@example.net", ("mailto:objections@example.net",)),
        ("mailto:objections@example.net", ("mailto:objections@example.net",)),
        ("Mailto:Objections@Example.net.", ("mailto:Objections@Example.net",)),
        ("tel:+62-21-3452841", ("tel:+62213452841",)),
        ("call +62 (21) 345-2841, or write to a@b.example", ("tel:+62213452841", "mailto:a@b.example")),
        ("a@b.example; a@b.example", ("mailto:a@b.example",)),
        ("odd&one?x=1/y%z@b.example", ("mailto:odd%26one%3Fx%3D1%2Fy%25z@b.example",)),
        ("https://example.net/objections", ()),
        ("https://user@example.net/?to=a@b.example", ()),
        ("021 3452841", ()),
        ("112", ()),
        ("+1", ()),
        ("Kementerian Komunikasi dan Digital, Jakarta", ()),
        ("sips:bob@example.net", ("mailto:bob@example.net",)),
        ("javascript:alert(1)", ()),
        ("a@localhost", ()),
        ("", ()),
    ],
)
def test_addresses_and_numbers_are_found(contact: str, uris: tuple[str, ...]) -> None:
    assert contact_uris(contact) == uris


def test_the_first_few_are_enough() -> None:
    assert len(contact_uris(", ".join(f"a{n}@b.example" for n in range(9)))) == MAX_CONTACTS


def test_a_uri_that_is_too_long_is_left_out() -> None:
    long = ".".join(["x" * 63] * 3)
    assert contact_uris(f"a@{long}.example, b@c.example") == ("mailto:b@c.example",)


@given(st.one_of(st.text(), st.text("a@.+1 -:/()"), st.from_regex(r"(mailto:)?\S+@\S+\.\S+")))
def test_of_any_text_nothing_but_uris_of_two_schemes_is_made(text: str) -> None:
    for uri in contact_uris(text):
        assert re.fullmatch(r"(mailto:[!-;=?-~]+@[A-Za-z0-9.-]+|tel:\+[0-9]{5,15})", uri)
        assert len(uri) <= MAX_URI
