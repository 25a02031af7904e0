from __future__ import annotations

import gzip
import hashlib
import os
from pathlib import Path

import pytest

from blockd.errors import FeedRefused
from blockd.feeds.file import OPEN_SETTLE, FileSource


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "list"
    path.write_bytes(b"a.example\n")
    os.utime(path, (1_700_000_000, 1_700_000_000))
    return path


def test_a_settled_file_is_taken_once(path: Path, folder: Path, clock: Clock) -> None:
    source = FileSource(path, 1000, clock, settle=2, now=lambda: 0.0)
    assert source.poll(folder) is None
    clock.now += 2
    fetched = source.poll(folder)
    assert fetched is not None
    assert fetched.path == folder / "incoming"
    assert fetched.path.read_bytes() == b"a.example\n"
    assert fetched.digest == hashlib.sha256(b"a.example\n").hexdigest()
    assert fetched.source_time == 1_700_000_000
    clock.now += 100
    assert source.poll(folder) is None
    assert fetched.path.exists()


def test_a_file_that_is_being_written_is_not_taken(path: Path, folder: Path, clock: Clock) -> None:
    source = FileSource(path, 1000, clock, settle=2, now=lambda: 0.0)
    for part in range(5):
        assert source.poll(folder) is None
        with path.open("ab") as file:
            file.write(b"%d.example\n" % part)
        clock.now += 1.5
    assert source.poll(folder) is None
    clock.now += 2
    assert source.poll(folder) is not None


def test_a_file_that_changes_while_it_is_copied_is_left_for_later(
    path: Path, folder: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = FileSource(path, 1000, clock, settle=0)
    read = os.read

    def grow(descriptor: int, size: int) -> bytes:
        piece = read(descriptor, size)
        if not piece:
            with path.open("ab") as file:
                file.write(b"b.example\n")
        return piece

    with monkeypatch.context() as patched:
        patched.setattr(os, "read", grow)
        assert source.poll(folder) is None
    assert source.settling
    assert list(folder.iterdir()) == []
    fetched = source.poll(folder)
    assert not source.settling
    assert fetched is not None
    assert fetched.path.read_bytes() == b"a.example\nb.example\n"


def test_a_file_replaced_by_one_of_the_same_size_and_time_is_taken(path: Path, folder: Path, clock: Clock) -> None:
    source = FileSource(path, 1000, clock, settle=0)
    assert source.poll(folder) is not None
    other = path.with_name("other")
    other.write_bytes(b"b.example\n")
    os.utime(other, (1_700_000_000, 1_700_000_000))
    other.replace(path)
    fetched = source.poll(folder)
    assert fetched is not None
    assert fetched.path.read_bytes() == b"b.example\n"


def test_a_file_rewritten_in_place_with_the_same_size_and_time_is_taken(path: Path, folder: Path, clock: Clock) -> None:
    source = FileSource(path, 1000, clock, settle=0)
    assert source.poll(folder) is not None
    before = path.stat()
    while path.stat().st_ctime_ns == before.st_ctime_ns:  # until the system's clock for files has ticked
        path.write_bytes(b"b.example\n")
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    after = path.stat()
    assert (after.st_mtime_ns, after.st_size, after.st_ino) == (before.st_mtime_ns, before.st_size, before.st_ino)
    fetched = source.poll(folder)
    assert fetched is not None
    assert fetched.path.read_bytes() == b"b.example\n"


def test_a_file_without_a_line_end_is_waited_for_longer_and_then_taken(path: Path, folder: Path, clock: Clock) -> None:
    path.write_bytes(b"a.example\nb.example")
    source = FileSource(path, 1000, clock, settle=2, now=lambda: 0.0)
    assert source.poll(folder) is None
    clock.now += 2 * OPEN_SETTLE - 1
    assert source.poll(folder) is None
    assert source.settling
    clock.now += 1
    fetched = source.poll(folder)
    assert fetched is not None
    assert fetched.path.read_bytes() == b"a.example\nb.example"


def test_a_packed_file_is_not_waited_for_longer(path: Path, folder: Path, clock: Clock) -> None:
    path.write_bytes(gzip.compress(b"a.example\nb.example"))
    source = FileSource(path, 1000, clock, settle=2, now=lambda: 0.0)
    assert source.poll(folder) is None
    clock.now += 2
    assert source.poll(folder) is not None


def test_a_missing_file_is_refused_until_it_is_back(path: Path, folder: Path, clock: Clock) -> None:
    source = FileSource(path, 1000, clock, settle=0)
    assert source.poll(folder) is not None
    away = path.with_name("away")
    path.rename(away)
    for _ in range(2):
        with pytest.raises(FeedRefused) as refused:
            source.poll(folder)
        assert refused.value.reason == "missing"
        assert list(folder.iterdir()) == []
    away.rename(path)
    assert source.poll(folder) is not None


def test_a_file_over_the_limit_leaves_nothing_behind(path: Path, folder: Path, clock: Clock) -> None:
    (folder / "incoming").write_bytes(b"before")
    source = FileSource(path, 9, clock, settle=0)
    for _ in range(2):
        with pytest.raises(FeedRefused) as refused:
            source.poll(folder)
        assert refused.value.reason == "too large"
    assert list(folder.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_a_fault(path: Path, tmp_path: Path, clock: Clock) -> None:
    with pytest.raises(FeedRefused, match="cannot be written") as refused:
        FileSource(path, 1000, clock, settle=0).poll(tmp_path / "nowhere")
    assert refused.value.reason == "fault"


def test_a_file_that_was_written_long_ago_is_taken_at_once(path: Path, folder: Path, clock: Clock) -> None:
    written = path.stat().st_ctime
    assert FileSource(path, 1000, clock, settle=2, now=lambda: written + 1).poll(folder) is None
    assert FileSource(path, 1000, clock, settle=2, now=lambda: written + 3).poll(folder) is not None


def test_a_file_written_long_ago_that_takes_the_place_of_another_is_taken_at_once(
    path: Path, folder: Path, clock: Clock
) -> None:
    now = path.stat().st_ctime + 100
    source = FileSource(path, 1000, clock, settle=2, now=lambda: now)
    assert source.poll(folder) is not None
    grown = path.with_name("grown")
    grown.write_bytes(b"b.example\n")
    grown.rename(path)
    now = path.stat().st_ctime + 1  # it was renamed a second ago, and written to two seconds before that or earlier
    os.utime(path, (now - 3, now - 3))
    assert source.poll(folder) is not None


def test_a_file_that_takes_the_place_of_another_while_it_is_written_is_not_taken(
    path: Path, folder: Path, clock: Clock
) -> None:
    now = path.stat().st_ctime + 100
    source = FileSource(path, 1000, clock, settle=2, now=lambda: now)
    assert source.poll(folder) is not None
    grown = path.with_name("grown")
    with grown.open("wb") as file:
        file.write(b"b.example\n")
        file.flush()
        grown.rename(path)
        now = path.stat().st_mtime + 1
        assert source.poll(folder) is None
        file.write(b"c.example\n")
    now = path.stat().st_mtime + 3
    fetched = source.poll(folder)
    assert fetched is not None
    assert fetched.path.read_bytes() == b"b.example\nc.example\n"
