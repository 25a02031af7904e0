from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from blockd.printable import MAX_SENTENCE, MAX_UNPROVED, one_line, printable, some_of, unproved


def test_what_steers_a_terminal_is_shown_and_not_obeyed() -> None:
    assert unproved(b"\x1b[2Jx\x9b\r\t") == "\\x1b[2Jx\\x9b\\r\\t"
    assert unproved("a\u202eb\U000e0001") == unproved("a\u202eb\U000e0001".encode()) == "a\\u202eb\\U000e0001"
    assert printable("a\u202eb\x1b\n", keep="\n") == "a\\u202eb\\x1b\n"


def test_a_wide_blank_is_seen_in_what_is_not_proved() -> None:
    assert unproved("a\u3000b") == "a\\u3000b"
    assert printable("a\u3000b") == "a\u3000b"


@given(st.binary(max_size=3000) | st.text(max_size=1000))
def test_what_is_not_proved_is_one_short_line(content: bytes | str) -> None:
    shown = unproved(content)
    assert len(shown) <= MAX_UNPROVED
    assert shown.isprintable()


@given(st.text(alphabet=st.characters(exclude_categories=["Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"])))
def test_what_is_signed_is_never_cut(text: str) -> None:
    assert printable(text) == text
    assert len(printable(text * 1_000)) == len(text) * 1_000


def test_a_cut_text_says_so() -> None:
    assert unproved("x" * MAX_UNPROVED) == "x" * MAX_UNPROVED
    assert unproved("x" * 60_000) == "x" * (MAX_UNPROVED - 1) + "…"
    assert unproved(b"\xc3\xa4" * MAX_UNPROVED) == "ä" * MAX_UNPROVED


def test_a_sentence_is_one_line() -> None:
    assert one_line("a\nb\x1b") == "a b\\x1b"
    assert len(one_line("x\n" * 60_000)) == MAX_SENTENCE


def test_of_many_items_the_first_are_named_and_the_others_counted() -> None:
    assert some_of(["a", "b", "c"], 3) == "a, b, c"
    assert some_of(["a"] * 1003, 2) == "a, a and 1,001 more"
    assert some_of([], 3) == ""
