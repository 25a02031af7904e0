"""Places in ascending texts, and several of them cut at the same lines."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from blockd.formats.sorted import mapped, seek, side_by_side

LINES = st.sets(st.text("ab.-", min_size=1, max_size=12).map(str.encode), max_size=60).map(sorted)


def text(lines: list[bytes]) -> bytes:
    return b"".join(line + b"\n" for line in lines)


@given(LINES, st.text("ab.-", min_size=1, max_size=12).map(str.encode), st.data())
def test_the_first_line_that_is_not_less_is_found_from_any_line_before_it(
    lines: list[bytes], line: bytes, data: st.DataObject
) -> None:
    whole = text(lines)
    less = [each for each in lines if each < line]
    start = len(text(less[: data.draw(st.integers(0, len(less)))]))
    assert seek(whole, line, start, len(whole)) == len(text(less))


@given(st.lists(LINES, min_size=1, max_size=4), st.integers(1, 60))
def test_slices_are_the_texts_and_no_line_of_one_is_beyond_the_next_of_another(
    texts: list[list[bytes]], size: int
) -> None:
    slices = list(side_by_side([text(lines) for lines in texts], size))
    for number, lines in enumerate(texts):
        assert b"".join(each[number] for each in slices) == text(lines)
    together = [line for each in slices for line in sorted(b"".join(each).split(b"\n")[:-1])]
    assert together == sorted(line for lines in texts for line in lines)
    assert all(len(piece) <= size + 13 for each in slices for piece in each)


def test_a_mapped_file_is_searched_and_an_empty_one_is_a_text_too(tmp_path: Path) -> None:
    path = tmp_path / "text"
    path.write_bytes(text([b"host-%05d.example" % number for number in range(9_000)]))
    found = mapped(path)
    assert seek(found, b"host-07777.example", 0, len(found)) == 7777 * len(b"host-00000.example\n")
    path.write_bytes(b"")
    assert seek(mapped(path), b"a", 0, 0) == 0
