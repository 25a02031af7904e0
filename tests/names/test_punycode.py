from __future__ import annotations

import idna
import pytest
from hypothesis import given
from hypothesis import strategies as st

from blockd.names import key_from_text, punycode
from blockd.names.domain import _MAPPED, _UNCHANGED


@given(st.text(min_size=1, max_size=70).filter(lambda text: not text.isascii()))
def test_labels_are_encoded_as_the_library_does(label: str) -> None:
    assert punycode.encode(label) == label.encode("punycode").decode("ascii")


@given(st.text(st.characters(categories=["L", "N", "M"]), min_size=1, max_size=12))
def test_names_that_idna_2008_allows_have_the_key_that_it_says(label: str) -> None:
    try:
        expected = idna.encode(f"{label}.example", uts46=True, std3_rules=True).decode("ascii")
    except (idna.IDNAError, UnicodeError):
        return
    if not label.isascii():
        assert key_from_text(f"{label}.example") == key_from_text(expected)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("\U0001f4a9.la", "xn--ls8h.la"),
        ("i\u2764\ufe0f.ws", "xn--i-7iq.ws"),
        ("\u2603-B\u00dcCHER.example", "xn---bcher-4ya3496e.example"),
        ("-b\u00fccher-.example", "xn---bcher--o2a.example"),
    ],
)
def test_names_that_only_idna_2003_or_browsers_allow_have_a_key(name: str, expected: str) -> None:
    assert key_from_text(name) == key_from_text(expected)


def test_characters_that_are_not_mapped_stay_as_they_are() -> None:
    kept = [char for char in map(chr, range(0x4E00, 0xD7A4)) if _UNCHANGED.fullmatch(char)]
    assert len(kept) > 30_000
    assert [char for char in kept if _MAPPED[ord(char)] != char] == []
