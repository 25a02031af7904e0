from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blockd.web.negotiate import form_of, language_of


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "en"),
        ("id", "id"),
        ("ID-id,en;q=0.9", "id"),
        ("in-ID", "id"),
        ("id;q=0.5, en;q=0.6", "en"),
        ("en;q=0.5, id;q=0.6", "id"),
        ("jv, su;q=0.9, id;q=0.8, en;q=0.1", "id"),
        ("de, fr", "en"),
        ("id;q=0", "en"),
        ("en;q=0, *", "id"),
        ("*", "en"),
        ("id;q=7, en", "en"),
        ("idiom", "en"),
        ("id,en", "id"),
    ],
)
def test_language_follows_the_qualities(header: str, language: str) -> None:
    assert language_of(header) == language


@pytest.mark.parametrize(
    ("header", "form"),
    [
        ("", "text/html"),
        ("*/*", "text/html"),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "text/html"),
        ("application/json", "application/json"),
        ("application/problem+json", "application/problem+json"),
        ("application/json, text/plain, */*", "application/json"),
        ("application/json;q=0.5, text/html", "text/html"),
        ("image/png", "text/html"),
        ("application/*", "application/problem+json"),
    ],
)
def test_form_follows_the_qualities(header: str, form: str) -> None:
    assert form_of(header) == form


@given(st.text())
def test_any_header_gives_a_choice(header: str) -> None:
    assert language_of(header) in ("en", "id")
    assert form_of(header) in ("text/html", "application/json", "application/problem+json")
