"""Packed lists are unpacked within bounds of memory, size and number, and what is cut or damaged is refused."""

from __future__ import annotations

import gzip
import lzma
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from blockd.errors import FeedRefused
from blockd.formats.body import open_body
from blockd.formats.packed import forms
from blockd.formats.packed.forms import Unpacking, is_packed, unpacking_of_coding, unpacking_of_file
from blockd.formats.packed.frames import MAX_FRAMES, MEMORY
from blockd.formats.packed.gunzip import PIECE

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

Pack = Callable[[bytes], bytes]
CHECKED = {int(zstd.CompressionParameter.checksum_flag): 1}


def zst(content: bytes) -> bytes:
    return zstd.compress(content, options=CHECKED)


PACKS = pytest.mark.parametrize("pack", [gzip.compress, lzma.compress, zst])
TEXT = b"".join(b"name-%d.example\n" % number for number in range(50_000))


def unpacked(data: bytes, step: int = 1 << 16) -> tuple[bytes, bool]:
    unpacking = unpacking_of_file(data, "list")
    assert unpacking is not None
    pieces = [data[start:end] for start, end in pairwise([*range(0, len(data), step), len(data)])]
    return b"".join(part for piece in pieces for part in unpacking.feed(piece)), unpacking.complete


@PACKS
@pytest.mark.parametrize("step", [1, 1 << 16])
def test_what_was_packed_is_unpacked_however_it_comes(pack: Pack, step: int) -> None:
    text = TEXT if step > 1 else TEXT[:5000]
    assert unpacked(pack(text), step) == (text, True)


@PACKS
def test_several_frames_are_joined_and_padding_is_passed_over(pack: Pack) -> None:
    assert unpacked(pack(b"a.example\n") + pack(b"b.example\n") + bytes(8)) == (b"a.example\nb.example\n", True)


@PACKS
def test_what_is_cut_is_not_complete(pack: Pack) -> None:
    packed = pack(TEXT)
    assert not unpacked(packed[:-1])[1]


@PACKS
def test_what_is_damaged_is_refused(pack: Pack) -> None:
    packed = bytearray(pack(TEXT))
    packed[len(packed) // 2] ^= 0x55
    packed[-1 if pack is zst else -6] ^= 0x55
    with pytest.raises(FeedRefused, match="damaged") as refused:
        unpacked(bytes(packed))
    assert refused.value.reason == "format"


@PACKS
def test_pieces_are_small_however_well_they_were_packed(pack: Pack) -> None:
    packed = pack(bytes(20_000_000))
    unpacking = unpacking_of_file(packed, "list")
    assert unpacking is not None
    assert max(len(piece) for piece in unpacking.feed(packed)) <= PIECE


@pytest.mark.parametrize("pack", [lzma.compress, zst])  # gzip packs no better than that
def test_repetition_without_end_is_given_up(pack: Pack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forms, "FREE", 1 << 20)
    with pytest.raises(FeedRefused, match="more than 1,000 times its size") as refused:
        unpacked(pack(bytes(20_000_000)))
    assert refused.value.reason == "too large"


def wide_xz() -> bytes:
    return lzma.compress(TEXT, filters=[{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": 2 * MEMORY}])


def wide_zst() -> bytes:
    compressor = zstd.ZstdCompressor(options={int(zstd.CompressionParameter.window_log): 28})
    return compressor.compress(TEXT) + compressor.flush()  # at once, the window would be as small as the content


@pytest.mark.parametrize("wide", [wide_xz, wide_zst])
def test_what_takes_too_much_memory_is_refused(wide: Callable[[], bytes]) -> None:
    packed = wide()
    with pytest.raises(FeedRefused, match="needs more than 128 MiB of memory") as refused:
        unpacked(packed)
    assert refused.value.reason == "format"


@pytest.mark.parametrize("pack", [lzma.compress, zst])
def test_empty_frames_without_end_are_given_up(pack: Pack) -> None:
    with pytest.raises(FeedRefused, match=f"more than {MAX_FRAMES:,} frames"):
        unpacked(pack(b"") * (MAX_FRAMES + 1))


def test_a_coding_is_undone_by_its_name() -> None:
    for coding, pack in (("gzip", gzip.compress), ("x-gzip", gzip.compress), ("xz", lzma.compress), ("zstd", zst)):
        unpacking = unpacking_of_coding(coding, "list")
        assert isinstance(unpacking, Unpacking)
        assert b"".join(unpacking.feed(pack(b"a.example\n"))) == b"a.example\n"
    assert not is_packed(b"a.example\n")
    assert unpacking_of_file(b"a.example\n", "list") is None


@pytest.mark.parametrize("pack", [lzma.compress, zst])
def test_a_packed_list_is_bounded_by_its_size_unpacked(tmp_path: Path, pack: Pack) -> None:
    (tmp_path / "list").write_bytes(pack(TEXT))
    with open_body(tmp_path / "list", len(TEXT)) as pieces:
        assert b"".join(pieces) == TEXT
    with open_body(tmp_path / "list", len(TEXT) - 1) as pieces, pytest.raises(FeedRefused) as refused:
        list(pieces)
    assert refused.value.reason == "too large"


@pytest.mark.parametrize("pack", [lzma.compress, zst])
def test_a_packed_list_that_is_cut_is_refused(tmp_path: Path, pack: Pack) -> None:
    (tmp_path / "list").write_bytes(pack(TEXT)[:-3])
    with open_body(tmp_path / "list", len(TEXT)) as pieces, pytest.raises(FeedRefused) as refused:
        list(pieces)
    assert refused.value.reason == "cut"
