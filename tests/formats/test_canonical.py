"""The canonical text of names, and the text of changes, also from hostile sources."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blockd.errors import FeedRefused
from blockd.formats.canonical import MAX_NAME_TEXT, CanonicalNames, read_changes

NAMES = st.sets(st.text("ab-._0", min_size=1, max_size=9).map(str.encode), min_size=1, max_size=40).map(sorted)


def pieces(text: bytes, size: int) -> list[bytes]:
    return [text[at : at + size] for at in range(0, len(text), size)]


@given(NAMES, st.integers(1, 50))
def test_an_ascending_text_passes_whole_in_whatever_pieces_it_comes(names: list[bytes], size: int) -> None:
    text = b"".join(name + b"\n" for name in names)
    subject = CanonicalNames("base")
    assert b"".join(subject.checked(pieces(text, size))) == text
    assert subject.count == len(names)


@pytest.mark.parametrize("size", [1, 7, 10_000])
@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"b.example\na.example\n", "format"),
        (b"a.example\na.example\n", "format"),
        (b"a.example\n\nb.example\n", "format"),
        (b"\na.example\n", "format"),
        (b"A.example\n", "format"),
        (b"a.example\r\n", "format"),
        (b"a example\n", "format"),
        (b"a.example\0\n", "format"),
        (b"b\xc3\xbccher.example\n", "format"),
        (b"a" * (MAX_NAME_TEXT + 1) + b"\n", "format"),
        (b"a.example\nb.exampl", "cut"),
        (b"a" * 100_000, "format"),
    ],
)
def test_a_text_that_is_not_canonical_is_refused(text: bytes, reason: str, size: int) -> None:
    with pytest.raises(FeedRefused) as refused:
        list(CanonicalNames("base").checked(pieces(text, size)))
    if not (reason == "format" and size == 10_000 and b"\n" not in text):  # one piece: its end is checked first
        assert refused.value.reason == reason
    assert "nothing of it is taken" in str(refused.value)


def test_a_line_without_end_is_never_gathered() -> None:
    endless = iter(lambda: b"a" * 1000, b"")
    with pytest.raises(FeedRefused, match="too long"):
        list(CanonicalNames("base").checked(endless))


def test_changes_are_read_in_whatever_pieces_they_come() -> None:
    text = b"-a.example\n+b.example\n+b.example.org\n-c.example\n"
    told = [(b"a.example", False), (b"b.example", True), (b"b.example.org", True), (b"c.example", False)]
    for size in range(1, len(text)):
        assert list(read_changes(pieces(text, size), "changes")) == told


@pytest.mark.parametrize(
    "text",
    [
        b"b.example\n",
        b"*b.example\n",
        b"+\n",
        b"\n",
        b"+a.example\n+a.example\n",
        b"+a.example\n-a.example\n",
        b"+b.example\n+a.example\n",
        b"+A.example\n",
        b"+a.example\r\n",
        b"+a\0.example\n",
        b"+" + b"a" * (MAX_NAME_TEXT + 1) + b"\n",
        b"+a.example",
    ],
)
def test_what_are_no_changes_is_refused(text: bytes) -> None:
    with pytest.raises(FeedRefused) as refused:
        list(read_changes([text], "changes"))
    assert refused.value.reason == ("format" if text.endswith(b"\n") else "cut")
