from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blockd.errors import FeedRefused
from blockd.formats.blocks import KEPT, read_blocks


@given(st.lists(st.binary(max_size=30).map(lambda piece: piece.replace(b"a", b"\n"))))
def test_blocks_hold_whole_lines_and_every_byte(pieces: list[bytes]) -> None:
    content = b"".join(pieces)
    blocks: list[bytes] = []
    if content and not content.endswith(b"\n"):
        with pytest.raises(FeedRefused) as refused:
            blocks.extend(read_blocks(pieces, "list"))
        assert refused.value.reason == "cut"
    else:
        blocks.extend(read_blocks(pieces, "list"))
        assert b"".join(blocks) == content
    assert all(block.endswith(b"\n") for block in blocks)


def test_a_line_without_end_is_never_held_whole() -> None:
    pieces = itertools.chain([b"a.example\nx"], itertools.repeat(b"x" * 10_000, 1000), [b"x\nb.example\n"])
    blocks = list(read_blocks(pieces, "list"))
    assert b"".join(blocks) == b"a.example\n" + b"x" * KEPT + b"\nb.example\n"


def test_a_list_that_ends_within_a_line_is_refused_with_what_is_left_of_it() -> None:
    blocks = read_blocks([b"a.example\nb.exa"], "list")
    assert next(blocks) == b"a.example\n"
    with pytest.raises(FeedRefused, match=r'in the middle of a line, "b\.exa"') as refused:
        next(blocks)
    assert refused.value.reason == "cut"


def test_an_endless_line_at_the_end_is_cut_too() -> None:
    with pytest.raises(FeedRefused) as refused:
        list(read_blocks(itertools.repeat(b"x" * 1000, 100), "list"))
    assert refused.value.reason == "cut"
