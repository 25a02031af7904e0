"""What is put in place of a list by mistake is named for what it is, with what to do."""

from __future__ import annotations

import bz2
import gzip
import io
import itertools
import lzma
import tarfile
import zipfile
from pathlib import Path

import pytest

from blockd.errors import FeedRefused
from blockd.formats.body import open_body


def in_zip() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("list.txt", "a.example\n")
    return file.getvalue()


def in_tar() -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        member = tarfile.TarInfo("list.txt")
        member.size = 10
        archive.addfile(member, io.BytesIO(b"a.example\n"))
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (in_zip(), "a zip archive"),
        (b"PK\x05\x06" + bytes(18), "an empty zip archive"),
        (b"7z\xbc\xaf\x27\x1c\0\x04" + bytes(40), "a 7z archive"),
        (b"Rar!\x1a\x07\x01\0" + bytes(40), "a rar archive"),
        (bz2.compress(b"a.example\n"), "a bzip2 archive"),
        (bz2.compress(b""), "a bzip2 archive"),
        (lzma.compress(b"a.example\n", format=lzma.FORMAT_ALONE), "the old lzma format"),
        (in_tar(), "a tar archive"),
        (gzip.compress(in_tar()), "a tar archive"),
        (lzma.compress(in_tar()), "a tar archive"),
        (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", "a PDF document"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(512), "an old Word or Excel document"),
        (gzip.compress(gzip.compress(b"a.example\n" * 100)), "packed twice, with a gzip archive inside"),
        (gzip.compress(lzma.compress(b"a.example\n" * 100)), "packed twice, with an xz archive inside"),
        (lzma.compress(gzip.compress(b"a.example\n")), "packed twice, with a gzip archive inside"),
        (gzip.compress(b"\x28\xb5\x2f\xfd" + bytes(40)), "packed twice, with a zst archive inside"),
        ("a.example\n".encode("utf-16"), "text in UTF-16"),
        ("a.example\n".encode("utf-16-le"), "text in UTF-16"),
        (("a.example\n" * 10).encode("utf-16-be"), "text in UTF-16"),
        ("a.example\n".encode("utf-32"), "text in UTF-32"),
    ],
    ids=itertools.count(),  # not the octets, in which gzip writes the time
)
def test_a_file_of_another_kind_is_named(tmp_path: Path, content: bytes, what: str) -> None:
    assert what in refusal(tmp_path / "list", content)


def test_brotli_is_named_by_its_suffix_unless_the_file_is_text(tmp_path: Path) -> None:
    packed = b"\x8b\x04\x80a.example\n\x03"  # an uncompressed block
    assert "packed with brotli" in refusal(tmp_path / "list.br", packed)
    (tmp_path / "list.br").write_bytes(b"a.example\n")
    with open_body(tmp_path / "list.br", 1000) as pieces:
        assert b"".join(pieces) == b"a.example\n"


def test_names_that_begin_like_an_archive_are_text(tmp_path: Path) -> None:
    for text in (b"bzh9.example\n", b"BZh9.example\n", b"rar.example\n", b"pk.example\n"):
        (tmp_path / "list").write_bytes(text)
        with open_body(tmp_path / "list", 1000) as pieces:
            assert b"".join(pieces) == text


def refusal(path: Path, content: bytes) -> str:
    path.write_bytes(content)
    with open_body(path, 1_000_000) as pieces, pytest.raises(FeedRefused) as refused:
        list(pieces)
    assert refused.value.reason == "binary"
    assert "nothing of it is taken" in str(refused.value)
    return str(refused.value)
