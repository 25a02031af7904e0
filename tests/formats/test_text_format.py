from __future__ import annotations

import gzip
import lzma
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from blockd.errors import FeedRefused, FeedUnreachable
from blockd.feeds.reasons import REASONS
from blockd.formats.domains import Domains
from blockd.formats.rejects import RejectReport
from blockd.formats.text_format import read_list
from blockd.formats.text_formats import format_named
from blockd.names import DomainName
from tests.places import SHARED

DATA = SHARED / "data"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="the shared test data is not beside this checkout")
MAX_SIZE = 100_000_000


def read(path: Path, kind: str = "domains", max_size: int = MAX_SIZE) -> tuple[list[str], RejectReport]:
    rejects = RejectReport()
    return [DomainName(key).text for key in read_list(format_named(kind), path, rejects, max_size)], rejects


def refusal(path: Path, kind: str = "domains", max_size: int = MAX_SIZE) -> str:
    with pytest.raises(FeedRefused) as refused:
        read(path, kind, max_size)
    assert refused.value.reason in REASONS
    assert str(path) in str(refused.value)
    assert "taken" in str(refused.value)
    return refused.value.reason


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_plain_and_packed_lists_are_told_apart_by_their_content(tmp_path: Path, pack: type[bytes]) -> None:
    path = tmp_path / "list.txt"
    path.write_bytes(pack(b"a.example\nb.example\n"))
    assert read(path)[0] == ["a.example", "b.example"]


def test_hosts_files_are_read_as_such(tmp_path: Path) -> None:
    path = tmp_path / "hosts"
    path.write_bytes(b"127.0.0.1 localhost\n0.0.0.0 a.example\n")
    assert read(path, "hosts")[0] == ["a.example"]
    assert read(path, "domains")[0] == ["a.example"]
    path.write_bytes(b"a.example\n")
    names, rejects = read(path, "hosts")
    assert names == []
    assert rejects.rejected == 1


def test_a_list_that_is_not_there_is_missing(tmp_path: Path) -> None:
    assert refusal(tmp_path / "none") == "missing"
    assert refusal(tmp_path / "none" / "deeper") == "missing"
    assert refusal(tmp_path) == "missing"


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert refusal(tmp_path / "pipe") == "missing"


def test_a_link_in_a_circle_is_unreachable(tmp_path: Path) -> None:
    (tmp_path / "circle").symlink_to("circle")
    with pytest.raises(FeedUnreachable):
        read(tmp_path / "circle")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"\xef\xbb\xbf\r\n <!DOCTYPE HTML PUBLIC><p>a.example\n", "html"),
        (b"<HTML lang=en>\na.example\n</html>\n", "html"),
        (gzip.compress(b"<!doctype html>\na.example\n", mtime=0), "html"),
        ("a.example\n".encode("utf-16"), "binary"),
        (b"a.example\n" * 10_000 + bytes(5000) + b"\n", "binary"),
        (bytes(range(256)) * 40 + bytes(500), "binary"),
        (gzip.compress(b"a.example\nb.example\n", mtime=0)[:-3], "cut"),
        (gzip.compress(b"a.example\n", mtime=0)[:-8] + bytes(8), "format"),
        (b"a.example\n" * 1001, "too large"),
        (gzip.compress(b"a.example\n" * 1001, mtime=0), "too large"),
        (b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>\n', "html"),
    ],
)
def test_what_is_no_whole_list_is_refused(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "list"
    path.write_bytes(content)
    assert refusal(path, max_size=10_000 if reason == "too large" else MAX_SIZE) == reason


@pytest.mark.parametrize("kind", ["domains", "hosts", "adblock"])
@pytest.mark.parametrize("content", [b"", gzip.compress(b"", mtime=0), b"\n\n# nothing\n", b"nodot\n"])
def test_a_list_without_a_name_is_read_and_left_to_the_gate(tmp_path: Path, content: bytes, kind: str) -> None:
    path = tmp_path / "list"
    path.write_bytes(content)
    names, rejects = read(path, kind)
    assert (names, rejects.accepted, rejects.rejected) == ([], 0, int(content == b"nodot\n" and kind != "adblock"))


def test_a_list_of_exactly_the_limit_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "list"
    path.write_bytes(b"a.example\n" * 10)
    assert len(read(path, max_size=100)[0]) == 10


def test_a_few_damaged_lines_do_not_make_a_list_binary(tmp_path: Path) -> None:
    path = tmp_path / "list"
    path.write_bytes(b"a.example\n" * 1000 + b"\0\0\0\n")
    names, rejects = read(path)
    assert len(names) == 1000
    assert rejects.counts == {"NUL": 1}


def test_progress_tells_how_much_of_the_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "list"
    path.write_bytes(gzip.compress(os.urandom(500_000).hex().encode() + b"\na.example\n", 1))
    told: list[tuple[int, int]] = []
    list(read_list(Domains(), path, RejectReport(), MAX_SIZE, lambda done, size: told.append((done, size))))
    assert told == sorted(told)
    assert len(told) > 2
    assert told[-1] == (path.stat().st_size, path.stat().st_size)


@pytest.mark.parametrize("kind", ["domains", "hosts", "adblock"])
@pytest.mark.parametrize("pack", [bytes, gzip.compress, lzma.compress])
def test_a_last_line_without_a_line_feed_is_taken_with_a_note(
    tmp_path: Path, kind: str, pack: Callable[[bytes], bytes]
) -> None:
    lines = {"domains": b"a.example\nb.example", "hosts": b"0.0.0.0 a.example\n0.0.0.0 b.example"}
    path = tmp_path / "list"
    path.write_bytes(pack(lines.get(kind, b"||a.example^\n||b.example^")))
    names, rejects = read(path, kind)
    assert names == ["a.example", "b.example"]
    [note] = rejects.warnings
    assert "has no line feed, and is taken as complete" in note


@needs_data
def test_a_publication_that_ends_within_a_name_is_taken_with_a_note() -> None:
    names, rejects = read(DATA / "broken" / "cut-mid-name.txt.gz")
    assert names
    assert ["has no line feed" in note for note in rejects.warnings] == [True]


@needs_data
def test_names_that_lost_their_dots_are_rejected() -> None:
    rejects = RejectReport()
    assert list(read_list(Domains(), DATA / "broken" / "dotless-junk.txt", rejects, MAX_SIZE)) == []
    assert rejects.counts == {"no dot": rejects.lines}


@needs_data
def test_a_list_of_addresses_gives_only_the_names_in_it() -> None:
    names, rejects = read(DATA / "ipaddress_isp.txt.gz")
    assert len(names) == 3
    assert rejects.lines == 102_430
    assert rejects.counts["address"] > 102_000
    assert not any(name.rpartition(".")[2].isdigit() for name in names)


@needs_data
def test_a_national_list_is_read_whole() -> None:
    rejects = RejectReport()
    assert sum(1 for _ in read_list(Domains(), DATA / "trustpositif-783135.txt.gz", rejects, MAX_SIZE)) == 783_135
    assert rejects.rejected == 0
