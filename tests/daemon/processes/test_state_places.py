"""Whatever is in the place of a file or a folder of the state, a start replaces it and follows nothing."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from blockd.daemon.processes.folder_lock import is_held
from blockd.daemon.state_dir import StateDir
from blockd.daemon.update.disk_room import RESERVE
from blockd.errors import CommandError

FOLDERS = ("rulesets", "feeds", "compiling", "feeds/national")
FILES = (
    "reserve", "tokens.json", "audit.alive", "audit.head", "hit-slots.json", "overrides.json", "releases.json",
    "rulesets/current", "rulesets/pinned", "rulesets/000001.ruleset", "rulesets/000001.json", "compiling/compiled",
    "feeds/national/accepted", "feeds/national/feed.json",
)  # fmt: skip


def pipe(path: Path) -> None:
    os.mkfifo(path)


def plain_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as bound, Away(path.parent):
        bound.bind(path.name)  # whose whole path may be too long


def link(path: Path) -> None:
    path.symlink_to("/nowhere-of-blockd")


def link_to_folder(path: Path) -> None:
    state = next(place for place in path.parents if place.name == "state")
    target = state.parent / "elsewhere"
    target.mkdir(exist_ok=True)
    (target / "kept").write_text("theirs", encoding="ascii")
    path.symlink_to(target)


def plain_file(path: Path) -> None:
    path.write_bytes(b"something")


def folder(path: Path) -> None:
    (path / "inside").mkdir(parents=True)


class Away:
    """Works in a folder for a while."""

    def __init__(self, place: Path) -> None:
        self._place = place
        self._before = Path.cwd()

    def __enter__(self) -> None:
        os.chdir(self._place)

    def __exit__(self, *_: object) -> None:
        os.chdir(self._before)


def start(state: Path) -> StateDir:
    """Do with the state what a start does, as far as its places go."""
    found = StateDir(state)
    found.take_lock().close()
    found.secure()
    found.tidy()
    found.make_folders(["national"])
    return found


@pytest.fixture
def state(tmp_path: Path) -> Path:
    place = tmp_path / "state"
    start(place)
    return place


@pytest.mark.parametrize("place", FOLDERS)
@pytest.mark.parametrize("put", [pipe, plain_socket, link, link_to_folder, plain_file])
def test_what_is_no_folder_is_replaced_by_one(
    state: Path, place: str, put: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    path = state / place
    for below in sorted(path.rglob("*"), reverse=True):
        below.rmdir()
    path.rmdir()
    put(path)
    start(state)
    assert path.is_dir()
    assert not path.is_symlink()
    assert f"{path} is " in caplog.text
    assert "where blockd keeps a folder. It is removed and created again." in caplog.text
    for theirs in state.parent.glob("elsewhere/kept"):
        assert theirs.read_text(encoding="ascii") == "theirs", "what a link led to is left alone"


@pytest.mark.parametrize("place", FILES)
@pytest.mark.parametrize("put", [pipe, plain_socket, link, link_to_folder, folder])
def test_what_is_no_file_is_removed(state: Path, place: str, put: Callable[[Path], None]) -> None:
    put(state / place)
    start(state)
    assert not os.path.lexists(state / place)
    for theirs in state.parent.glob("elsewhere/kept"):
        assert theirs.read_text(encoding="ascii") == "theirs", "what a link led to is left alone"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes devices")
@pytest.mark.parametrize("place", ["rulesets", "feeds", RESERVE])
def test_a_device_is_replaced_as_all_else_is(state: Path, place: str) -> None:
    path = state / place
    if path.is_dir():
        for below in sorted(path.rglob("*"), reverse=True):
            below.rmdir()
        path.rmdir()
    try:
        os.mknod(path, 0o600 | 0o020000, os.makedev(1, 3))
    except PermissionError:
        pytest.skip("this container makes no devices")
    start(state)
    assert path.is_dir() or not path.exists()


@pytest.mark.parametrize("put", [pipe, plain_socket, link, folder])
def test_what_is_in_the_place_of_the_lock_ends_in_a_sentence(state: Path, put: Callable[[Path], None]) -> None:
    (state / "lock").unlink()
    put(state / "lock")
    assert is_held(state) is False
    with pytest.raises(CommandError, match="cannot be used"):
        start(state)


def test_what_an_earlier_blockd_has_left_is_removed(state: Path) -> None:
    left = [state / "compiled", state / "compiled-amended", state / "rulesets" / "000007.orders"]
    for path in left:
        path.write_bytes(b"left")
    start(state)
    assert not [path for path in left if path.exists()]


def test_what_an_attempt_to_verify_has_left_is_removed_without_a_word(
    state: Path, caplog: pytest.LogCaptureFixture
) -> None:
    staging = state / "feeds" / "ministry" / "staging"
    (staging / "root_history").mkdir(parents=True)
    (staging / "root_history" / "1.root.json").write_bytes(b"{}")
    (staging / "root.json").symlink_to("root_history/1.root.json")
    start(state)
    assert not staging.exists()
    assert "staging" not in caplog.text
