from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from blockd.formats.blocks import KEPT, read_blocks
from blockd.formats.rejects import RejectReport


@given(st.lists(st.binary(max_size=30).map(lambda piece: piece.replace(b"a", b"\n"))))
def test_blocks_hold_whole_lines_and_every_byte(pieces: list[bytes]) -> None:
    content = b"".join(pieces)
    rejects = RejectReport()
    blocks = list(read_blocks(pieces, rejects))
    is_open = bool(content) and not content.endswith(b"\n")
    assert b"".join(blocks) == (content + b"\n" if is_open else content)
    assert all(block.endswith(b"\n") for block in blocks)
    assert len(rejects.warnings) == is_open


def test_a_line_without_end_is_never_held_whole() -> None:
    pieces = itertools.chain([b"a.example\nx"], itertools.repeat(b"x" * 10_000, 1000), [b"x\nb.example\n"])
    blocks = list(read_blocks(pieces))
    assert b"".join(blocks) == b"a.example\n" + b"x" * KEPT + b"\nb.example\n"


def test_a_last_line_without_a_line_feed_is_taken_with_a_note() -> None:
    rejects = RejectReport()
    assert b"".join(read_blocks([b"a.example\nb.exa"], rejects)) == b"a.example\nb.exa\n"
    assert rejects.warnings == ['its last line, "b.exa", has no line feed, and is taken as complete']


def test_an_endless_line_at_the_end_is_kept_within_bounds() -> None:
    assert list(read_blocks(itertools.repeat(b"x" * 1000, 100))) == [b"x" * KEPT + b"\n"]
