"""The lock of a state folder holds though its file, or the folder, is removed while blockd runs."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from blockd.daemon.channel import DESCRIPTOR
from blockd.daemon.processes import folder_lock
from blockd.daemon.processes.folder_lock import FolderLock, is_held, take_lock
from blockd.errors import CommandError


@pytest.fixture
def state(tmp_path: Path) -> Path:
    place = tmp_path / "state"
    place.mkdir()
    return place


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder_lock, "ORPHANS_END", 0.0)


def adopt_all(lock: FolderLock) -> int:
    """Do what the control process does at a look; return how much was locked again."""
    found = lock.look()
    for descriptor in found:
        lock.adopt(descriptor)
    return len(found)


def remove_file(state: Path) -> None:
    (state / "lock").unlink()


def empty_file(state: Path) -> None:
    remove_file(state)
    (state / "lock").touch()


def exchange_folder(state: Path) -> None:
    shutil.rmtree(state)
    state.mkdir()


@pytest.mark.parametrize("harm", [remove_file, empty_file])
def test_a_second_blockd_finds_the_folder_locked_though_the_file_is_gone(
    state: Path, harm: Callable[[Path], None]
) -> None:
    lock = take_lock(state)
    harm(state)
    with pytest.raises(CommandError, match=r"Another blockd \(process unknown\) is running with the state folder"):
        take_lock(state)
    assert is_held(state)
    lock.close()
    assert not is_held(state)
    take_lock(state).close()


@pytest.mark.parametrize(("harm", "count"), [(remove_file, 1), (empty_file, 1), (exchange_folder, 2)])
def test_what_was_removed_is_locked_again(
    state: Path, harm: Callable[[Path], None], count: int, caplog: pytest.LogCaptureFixture
) -> None:
    lock = take_lock(state)
    assert adopt_all(lock) == 0
    for _ in range(3):
        harm(state)
        assert adopt_all(lock) == count
        assert adopt_all(lock) == 0
        assert (state / "lock").read_text("ascii") == f"{os.getpid()}\n"
        with pytest.raises(CommandError, match=rf"Another blockd \(process {os.getpid()}\) is running"):
            take_lock(state)
    assert len(lock._later) == 2, "however often it is removed"
    assert f"The lock of {state} was gone. It is locked again." in caplog.text
    lock.close()
    take_lock(state).close()


def test_a_folder_that_was_moved_away_and_back_is_still_locked(state: Path, tmp_path: Path) -> None:
    lock = take_lock(state)
    state.rename(tmp_path / "away")
    assert adopt_all(lock) == 0, "there is nothing to lock"
    state.mkdir()
    assert adopt_all(lock) == 2
    shutil.rmtree(state)
    (tmp_path / "away").rename(state)
    assert adopt_all(lock) == 0
    assert is_held(state)
    lock.close()


def test_a_lock_that_another_has_is_told_once(state: Path, caplog: pytest.LogCaptureFixture) -> None:
    """As a blockd that locks the file alone has it."""
    lock = take_lock(state)
    empty_file(state)
    with (state / "lock").open("r+b", buffering=0) as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        other.write(b"4711\n")
        for _ in range(3):
            assert adopt_all(lock) == 0
        found = [record for record in caplog.records if record.levelname == "CRITICAL"]
        [told] = [record.getMessage() for record in found]
        assert told == (
            f"{state / 'lock'} is locked by another process, 4711. If another blockd runs on this folder, both write "
            "one state: stop the one that should not, and give each a state_dir of its own."
        )
        assert "4711" in lock.trouble
    assert adopt_all(lock) == 1
    assert lock.trouble == ""
    lock.close()


def test_a_link_in_the_place_of_the_file_is_not_followed(
    state: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    lock = take_lock(state)
    remove_file(state)
    (state / "lock").symlink_to(tmp_path / "theirs")
    assert adopt_all(lock) == 0
    assert not (tmp_path / "theirs").exists()
    assert f"{state / 'lock'} cannot be locked again: " in caplog.text
    lock.close()


def test_a_file_system_that_locks_no_folders_goes_by_the_file(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flock = fcntl.flock

    def only_files(descriptor: int, operation: int) -> None:
        if not Path(f"/proc/self/fd/{descriptor}").is_file():
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        flock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", only_files)
    lock = take_lock(state)
    assert is_held(state)
    with pytest.raises(CommandError, match="is running with the state folder"):
        take_lock(state)
    exchange_folder(state)
    assert adopt_all(lock) == 1
    assert adopt_all(lock) == 0
    assert lock.trouble == ""
    lock.close()
    assert not is_held(state)


def test_the_supervisor_keeps_what_the_control_process_has_locked(state: Path) -> None:
    lock = take_lock(state)
    exchange_folder(state)
    for descriptor in lock.look():
        assert lock.heeds({"lock": True, DESCRIPTOR: descriptor})
    assert not lock.heeds({"enforce": 1})
    assert lock.heeds({"lock": True}), "of a process that was broken into"
    assert is_held(state)
    lock.close()
    assert not is_held(state)
