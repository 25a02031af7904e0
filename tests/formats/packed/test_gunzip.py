from __future__ import annotations

import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blockd.errors import FeedRefused
from blockd.formats.packed.gunzip import MAX_MEMBERS, PIECE, Gunzip


def unpack(packed: bytes, step: int) -> tuple[bytes, bool]:
    gunzip = Gunzip("list")
    content = b"".join(
        piece for start in range(0, len(packed), step) for piece in gunzip.feed(packed[start : start + step])
    )
    return content, gunzip.complete


@given(st.lists(st.binary(max_size=200), min_size=1, max_size=4), st.integers(1, 50), st.integers(0, 20))
def test_members_and_padding_unpack_in_any_steps(members: list[bytes], step: int, padding: int) -> None:
    packed = b"".join(gzip.compress(member, mtime=0) for member in members) + bytes(padding)
    assert unpack(packed, step) == (b"".join(members), True)


@given(st.binary(min_size=1, max_size=200), st.integers(1, 50))
def test_a_cut_archive_is_not_complete(content: bytes, step: int) -> None:
    packed = gzip.compress(content, mtime=0)
    for end in range(1, len(packed)):
        assert not unpack(packed[:end], step)[1]


def test_pieces_are_bounded_however_well_they_were_compressed() -> None:
    packed = gzip.compress(bytes(50 * 1024 * 1024))
    assert max(len(piece) for piece in Gunzip("list").feed(packed)) <= PIECE


@pytest.mark.parametrize(
    "packed",
    [
        b"\x1f\x8bno archive at all",
        gzip.compress(b"a.example\n", mtime=0)[:-8] + b"\x00" * 8,
        gzip.compress(b"a.example\n", mtime=0) + b"rubbish",
    ],
)
def test_a_damaged_archive_is_refused(packed: bytes) -> None:
    with pytest.raises(FeedRefused) as refused:
        unpack(packed, 1000)
    assert refused.value.reason == "format"


def test_empty_members_without_end_are_refused() -> None:
    with pytest.raises(FeedRefused, match="members"):
        unpack(gzip.compress(b"") * (MAX_MEMBERS + 1), 4000)
