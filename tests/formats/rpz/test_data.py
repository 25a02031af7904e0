"""Data of the usual types are read as dnspython reads them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blockd.errors import BadName
from blockd.formats.rpz.data import parsed_data, plain_data, type_of
from blockd.formats.rpz.tokens import tokens_of
from tests.effort import tries

ORIGIN = b"\x03rpz"
TYPES = ("A", "AAAA", "NS", "CNAME", "PTR", "DNAME", "MX", "SRV", "TXT", "SOA", "TYPE999")
PARTS = (
    *(b"1", b"0", b"10", b"65535", b"65536", b"01", b"a", b"A.b", b".", b"@", b"a..b", b"\\#", b"3", b"000a00", b"abc"),
    *(b"1.2.3.4", b"01.2.3.4", b"1.2.3", b"1.2.3.256", b"::", b"1::2", b"::1.2.3.4", b"1:2:3:4:5:6:7:8", b"1::2::3"),
    *(b"fe80::1%1", b"12345::", b"::ffff:1.2.3.4", b"1:2:3:4:5:6:7::", b"1:2:3:4:5:6:7:8::", b"0a000001", b"4", b"16"),
    *(b'"a b"', b'""', b"a\\;b", b"\\065", b"\\256", b"\\1", b"\\12a", b'"\\"x"', b"\xc3\xa9", b"\xff", b"x" * 64),
    *(b"x" * 256, b"a." * 130, b"4294967296", b"0" * 30 + b"1", b"b\\.c.", b"\\\xc3\xa9", b"\\255\\000", b"1h"),
)


def outcome(rtype: int, words: list[bytes], *, plainly: bool) -> bytes | str:
    try:
        if plainly and (data := plain_data(rtype, words, ORIGIN)) is not None:
            return data
        return parsed_data(rtype, words, ORIGIN)
    except BadName as error:
        return error.reason


@settings(max_examples=tries(300, 20_000))
@given(st.sampled_from(TYPES), st.lists(st.sampled_from(PARTS), max_size=7))
def test_data_are_read_as_by_dnspython(kind: str, parts: list[bytes]) -> None:
    rtype = type_of(kind.encode())
    assert rtype is not None
    words, _ = tokens_of(b" ".join(parts), 0)
    assert outcome(rtype, words, plainly=True) == outcome(rtype, words, plainly=False)


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("part", PARTS, ids=repr)
def test_each_word_is_read_as_by_dnspython(kind: str, part: bytes) -> None:
    rtype = type_of(kind.encode())
    assert rtype is not None
    for words in ([part], [b"1", part], [b"0", b"0", b"0", part], [b"\\#", b"3", part], [b".", part, *[b"1"] * 5]):
        assert outcome(rtype, words, plainly=True) == outcome(rtype, words, plainly=False)


@pytest.mark.parametrize(
    ("word", "number"),
    [(b"a", 1), (b"TXT", 16), (b"nsap-ptr", 23), (b"type999", 999), (b"TYPE65535", 65535), (b"TYPE00001", 1)],
)
def test_a_type_has_a_number(word: bytes, number: int) -> None:
    assert type_of(word) == number


@pytest.mark.parametrize("word", [b"", b"b", b"TYPE", b"TYPE65536", b"TYPE-1", b"\xff", b"TYPE1a"])
def test_other_words_are_no_types(word: bytes) -> None:
    assert type_of(word) is None
