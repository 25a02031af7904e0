"""Words, names and strings of zone files: as installed, which may be compiled, and as Python interprets the module."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import blockd.formats.rpz
from blockd.errors import BadName
from blockd.formats.rpz import tokens
from tests.effort import tries

_OCTETS = st.lists(st.sampled_from([*(bytes((n,)) for n in b'a.A1()";\\ \t\r@*'), b"\xff", b"a" * 60, b"0", b"46"]))
LINES = _OCTETS.map(b"".join)
WORDS = LINES.filter(bool)


def modules() -> Iterator[ModuleType]:
    yield tokens
    source = Path(blockd.formats.rpz.__file__).with_name("tokens.py")
    spec = importlib.util.spec_from_file_location("interpreted_tokens", source)
    assert spec is not None
    assert spec.loader is not None
    interpreted = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(interpreted)
    yield interpreted


MODULES = list(modules())


def outcome(function: str, *arguments: object) -> Any:
    """Return what all modules return, or why all refuse."""
    found: list[object] = []
    for module in MODULES:
        try:
            found.append(getattr(module, function)(*arguments))
        except BadName as error:
            found.append(f"refused: {error.reason}")
    assert found[0] == found[-1]
    return found[0]


@pytest.mark.parametrize(
    ("line", "depth", "words", "after"),
    [
        (b"a  60\tCNAME . ; note", 0, [b"a", b"60", b"CNAME", b"."], 0),
        (b'a TXT "x ; \\" y"z\\;\\ w', 0, [b"a", b"TXT", b'"x ; \\" y"', b"z\\;\\ w"], 0),
        (b"a (b(", 0, [b"a", b"b"], 2),
        (b"c)d)", 2, [b"c", b"d"], 0),
        (b"", 1, [], 1),
        (b"\r\x0b\x0c;", 0, [], 0),
    ],
)
def test_a_line_is_its_words(line: bytes, depth: int, words: list[bytes], after: int) -> None:
    assert outcome("tokens_of", line, depth) == (words, after)


@pytest.mark.parametrize("line", [b'"', b'a "b', b"\\", b"a b\\", b")", b'"\\"', b'"a\\'])
def test_a_line_that_ends_within_a_word_is_refused(line: bytes) -> None:
    assert outcome("tokens_of", line, 0) == "refused: bad text"


@pytest.mark.parametrize(
    ("text", "key"),
    [
        (b"@", b"\x03rpz"),
        (b".", b""),
        (b"B.a", b"\x03rpz\x01a\x01b"),
        (b"b.A.", b"\x01a\x01b"),
        (b"a\\.b\\065.", b"\x04a.ba"),
        (b"a\\1", b"\x03rpz\x02a1"),
        (b"\\255", b"\x03rpz\x01\xff"),
        (b"\\\xff", b"\x03rpz\x01\xff"),
        (b"x" * 63, b"\x03rpz\x3f" + b"x" * 63),
        (b"x" * 64, "refused: label too long"),
        (b".a", "refused: empty label"),
        (b"a..", "refused: empty label"),
        (b"", "refused: empty label"),
        (b"\\256", "refused: bad character"),
        (b"a\\", "refused: bad character"),
        (b"\xff", "refused: bad character"),
        (b"\xff.." + b"a" * 64, "refused: bad character"),
        (b".".join([b"a"] * 125), b"\x03rpz" + b"\x01a" * 125),
        (b".".join([b"a"] * 126), "refused: too long"),
        (b".".join([b"a"] * 127) + b".", b"\x01a" * 127),
        (b".".join([b"a"] * 128) + b".", "refused: too long"),
        (b"a." * 500 + b".", "refused: empty label"),
    ],
)
def test_a_name_has_a_key(text: bytes, key: bytes | str) -> None:
    assert outcome("name_key", text, b"\x03rpz") == key


def test_a_relative_name_needs_an_origin() -> None:
    assert outcome("name_key", b"a", None) == "refused: no origin"
    assert outcome("name_key", b"@", None) == "refused: no origin"
    assert outcome("name_key", b"a.", None) == b"\x01a"


@settings(max_examples=tries(300, 20_000))
@given(LINES, st.integers(min_value=0, max_value=3))
def test_lines_are_read_alike(line: bytes, depth: int) -> None:
    outcome("tokens_of", line, depth)


@settings(max_examples=tries(300, 20_000))
@given(WORDS)
def test_names_and_strings_are_read_alike(word: bytes) -> None:
    outcome("name_key", word, b"\x03rpz")
    outcome("name_wire", word, b"\x03rpz\x00")
    outcome("string_wire", word)
    outcome("ttl_of", word)
