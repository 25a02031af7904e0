from __future__ import annotations

import errno
import os
import pickle
import socket
import stat
import threading
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from blockd.errors import FileTooLarge
from blockd.files import is_socket, read_configured, read_file, read_rest, replace_file, replace_files, replacing


def test_a_read_takes_no_more_memory_than_there_is_to_read(tmp_path: Path) -> None:
    path = tmp_path / "small"
    path.write_bytes(b"small")
    tracemalloc.start()
    try:
        assert read_file(path, 1 << 40) == b"small", "a buffer for the limit could not be had"
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


def test_a_configured_file_may_be_a_link_and_a_pipe_is_refused_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"12345")
    (tmp_path / "link").symlink_to("file")
    assert read_configured(tmp_path / "link", 5) == b"12345"
    os.mkfifo(tmp_path / "pipe")
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)
    with pytest.raises(OSError, match="it is not a regular file"):
        read_configured(tmp_path / "pipe", 5)
    with pytest.raises(IsADirectoryError):
        read_configured(tmp_path, 5)


def _give_and_close(descriptor: int, content: bytes) -> None:
    os.write(descriptor, content)
    os.close(descriptor)


def test_what_has_no_size_is_read_to_its_end_or_to_the_limit() -> None:
    for limit in (200_000, 100_000, 99_999):
        reading, writing = os.pipe()
        with os.fdopen(reading, "rb") as file:
            os.write(writing, b"x" * 50_000)
            thread = threading.Thread(target=_give_and_close, args=(writing, b"y" * 50_000))
            thread.start()
            if limit < 100_000:
                with pytest.raises(FileTooLarge):
                    read_rest(file, limit)
            else:
                assert len(read_rest(file, limit)) == 100_000
            file.read()
            thread.join()


def test_a_file_is_read_up_to_its_limit(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"12345")
    assert read_file(path, 5) == b"12345"
    with pytest.raises(FileTooLarge) as raised:
        read_file(path, 4)
    error = pickle.loads(pickle.dumps(raised.value))  # noqa: S301 - our own
    assert (error.errno, error.filename, error.limit) == (errno.EFBIG, str(path), 4)
    assert error.strerror == "it is larger than 4 octets"
    with pytest.raises(FileNotFoundError):
        read_file(tmp_path / "none", 4)


def test_only_what_is_left_of_an_open_file_counts(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"head\nrest")
    with path.open("rb") as file:
        file.readline()
        assert read_rest(file, 4) == b"rest"
    with path.open("rb") as file:
        file.readline()
        with pytest.raises(FileTooLarge):
            read_rest(file, 3)


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "file"
    replace_file(path, b"old")
    replace_file(path, b"new", mode=0o600)
    assert path.read_bytes() == b"new"
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_a_new_file_may_be_read_by_others(tmp_path: Path) -> None:
    replace_file(tmp_path / "file", b"new")
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o644


class Stop(BaseException):
    pass


def write_half(path: Path, error: type[BaseException]) -> None:
    with replacing(path) as file:
        file.write(b"half")
        raise error


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, Stop])
@pytest.mark.parametrize("there", [True, False])
def test_an_error_within_leaves_what_was_there_and_nothing_else(
    tmp_path: Path, error: type[BaseException], there: bool
) -> None:
    path = tmp_path / "file"
    if there:
        path.write_bytes(b"old")
    with pytest.raises(error):
        write_half(path, error)
    assert list(tmp_path.iterdir()) == ([path] if there else [])
    assert not there or path.read_bytes() == b"old"


def test_nobody_sees_the_file_before_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with replacing(path) as file:
        file.write(b"new")
        file.flush()
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"


def test_a_full_disk_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        replace_file(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_content_and_folder_are_on_disk_before_it_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[str] = []
    fsync = os.fsync

    def noted(descriptor: int) -> None:
        synced.append(Path(f"/proc/self/fd/{descriptor}").readlink().name)
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", noted)
    replace_file(tmp_path / "file", b"new")
    assert [name.startswith(".file.") for name in synced] == [True, False]
    assert synced[1] == tmp_path.name


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        replace_file(tmp_path / "none" / "file", b"new")


def test_a_link_is_replaced_and_not_followed(tmp_path: Path) -> None:
    (tmp_path / "target").write_bytes(b"old")
    (tmp_path / "link").symlink_to("target")
    replace_file(tmp_path / "link", b"new")
    assert (tmp_path / "target").read_bytes() == b"old"
    assert not (tmp_path / "link").is_symlink()


def test_many_files_are_replaced_whole(tmp_path: Path) -> None:
    paths = [tmp_path / str(number) for number in range(40)]
    paths[0].write_bytes(b"old")
    replace_files((path, (b"new ", path.name.encode())) for path in paths)
    assert {path: path.read_bytes() for path in paths} == {path: b"new " + path.name.encode() for path in paths}
    assert sorted(tmp_path.iterdir()) == sorted(paths)
    assert paths[0].stat().st_mode & 0o777 == 0o644


def test_no_file_is_a_change_of_nothing(tmp_path: Path) -> None:
    replace_files([])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, Stop])
def test_of_many_files_none_is_replaced_where_one_cannot_be_made(tmp_path: Path, error: type[BaseException]) -> None:
    def blocks(number: int) -> Iterator[bytes]:
        yield b"new"
        if number == 5:
            raise error

    (tmp_path / "0").write_bytes(b"old")
    with pytest.raises(error):
        replace_files((tmp_path / str(number), blocks(number)) for number in range(9))
    assert [path.name for path in tmp_path.iterdir()] == ["0"]
    assert (tmp_path / "0").read_bytes() == b"old"


def test_many_files_are_on_the_disk_before_the_first_takes_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    fsync, replace = os.fsync, Path.replace

    def synced(descriptor: int) -> None:
        told.append("sync")
        fsync(descriptor)

    def replaced(path: Path, target: Path) -> Path:
        told.append("rename")
        return replace(path, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "replace", replaced)
    replace_files((tmp_path / str(number), (b"new",)) for number in range(5))
    assert told == ["sync"] * 5 + ["rename"] * 5 + ["sync"]


def test_a_socket_is_told_from_all_else_and_one_out_of_reach_is_none(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    assert not is_socket(path)
    with socket.socket(socket.AF_UNIX) as served:
        served.bind(str(path))
        assert is_socket(path)
        (tmp_path / "file").touch()
        assert not is_socket(tmp_path / "file")
        assert not is_socket(tmp_path / "file" / "below")  # ENOTDIR, where Path.is_socket may raise
        assert not is_socket(tmp_path / ("n" * 300))
