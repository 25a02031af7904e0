from __future__ import annotations

import os
from pathlib import Path

import pytest

from blockd.errors import DamagedRuleset, RulesetError
from blockd.ruleset import Ruleset, Versions
from blockd.ruleset.versions.keeping import Retention, prune
from blockd.ruleset.versions.version_record import VersionRecord


@pytest.fixture
def versions(tmp_path: Path) -> Versions:
    return Versions(tmp_path)


def add(versions: Versions, content: bytes = b"ruleset") -> int:
    compiled = versions.folder / "compiled"
    compiled.write_bytes(content)
    version = versions.add(compiled)
    (versions.folder / f"{version:06}.orders").touch()  # as earlier releases have left it
    return version


def test_a_new_folder_has_no_version(versions: Versions) -> None:
    assert versions.all() == []
    assert versions.current() is None


def test_a_folder_that_is_not_there_holds_nothing(tmp_path: Path) -> None:
    versions = Versions(tmp_path / "none")
    assert versions.all() == []
    assert versions.current() is None
    with pytest.raises(RulesetError):
        versions.make_current(1)


def test_a_version_that_cannot_be_enforced_is_dropped(versions: Versions) -> None:
    add(versions)
    add(versions)
    versions.drop(2)
    versions.drop(7)
    assert versions.all() == [1]


def test_versions_count_up(versions: Versions) -> None:
    assert [add(versions) for _ in range(3)] == [1, 2, 3]
    assert versions.all() == [1, 2, 3]
    assert versions.current() is None
    assert versions.ruleset(2).read_bytes() == b"ruleset"
    assert versions.ruleset(2).name == "000002.ruleset"
    assert not (versions.folder / "compiled").exists()


def test_a_version_is_current_once_it_is_marked(versions: Versions) -> None:
    add(versions)
    add(versions)
    versions.make_current(1)
    assert versions.current() == 1
    versions.make_current(2)
    assert Versions(versions.folder).current() == 2


def test_a_version_that_is_not_kept_cannot_be_current(versions: Versions) -> None:
    add(versions)
    versions.make_current(1)
    with pytest.raises(RulesetError, match="version 7 is not kept"):
        versions.make_current(7)
    assert versions.current() == 1


@pytest.mark.parametrize(
    "mark", [b"", b"\n", b"-1", b"one", b"1 2", b"\xd9\xa1", b"9" * 13, b"1" * 10_000, b"1" + bytes(40)]
)
def test_a_damaged_mark_is_no_mark(versions: Versions, mark: bytes) -> None:
    add(versions)
    (versions.folder / "current").write_bytes(mark)
    assert versions.current() is None
    assert add(versions) == 2


def test_a_mark_that_is_a_folder_is_no_mark(versions: Versions) -> None:
    (versions.folder / "current").mkdir()
    assert versions.current() is None


def test_a_number_is_never_used_twice(versions: Versions) -> None:
    assert add(versions) == 1
    assert add(versions) == 2
    versions.make_current(2)
    versions.ruleset(2).unlink()
    assert add(versions) == 3


def test_pruning_keeps_the_newest_and_the_current(versions: Versions) -> None:
    for _ in range(6):
        add(versions)
    versions.make_current(2)
    prune(versions, Retention(2, 1 << 40), 0)
    assert versions.all() == [2, 5, 6]
    assert list(versions.folder.glob("*.orders")) == []
    assert versions.current() == 2


@pytest.mark.parametrize(("keep", "left"), [(9, [1, 2, 3]), (3, [1, 2, 3]), (1, [3]), (0, [3])])
def test_pruning_keeps_as_many_as_asked(versions: Versions, keep: int, left: list[int]) -> None:
    for _ in range(3):
        add(versions)
    versions.make_current(3)
    prune(versions, Retention(keep, 1 << 40), 0)
    assert versions.all() == left


def test_other_files_are_no_versions(versions: Versions) -> None:
    add(versions)
    for name in ("000002.ruleset.old", ".000003.ruleset.x1", "4.ruleset", "000005.orders", "\u0661" * 6 + ".ruleset"):
        (versions.folder / name).touch()
    assert versions.all() == [1]


def test_a_million_versions_are_not_too_many(versions: Versions) -> None:
    versions.ruleset(999_999).touch()
    assert add(versions) == 1_000_000
    versions.make_current(1_000_000)
    assert versions.all() == [999_999, 1_000_000]
    assert versions.current() == 1_000_000


def test_a_pinned_version_is_kept_and_told_until_it_is_released(versions: Versions) -> None:
    for _ in range(4):
        add(versions)
    versions.make_current(4)
    assert versions.pinned() is None
    versions.pin(2)
    assert Versions(versions.folder).pinned() == 2
    prune(versions, Retention(1, 1 << 40), 0)
    assert versions.all() == [2, 4]
    versions.release()
    versions.release()
    assert versions.pinned() is None
    prune(versions, Retention(1, 1 << 40), 0)
    assert versions.all() == [4]


def test_a_version_that_is_not_kept_cannot_be_pinned(versions: Versions) -> None:
    add(versions)
    with pytest.raises(RulesetError, match="version 7 is not kept"):
        versions.pin(7)
    assert versions.pinned() is None


def test_a_version_is_found_by_its_content(versions: Versions) -> None:
    for content in ("a", "b", "a", ""):
        version = add(versions)
        VersionRecord(content, "", 0, 0, 0, 0, ()).write(versions.record_path(version))
    add(versions)  # whose record is missing
    assert [versions.with_content(content) for content in ("a", "b", "c", "")] == [3, 2, None, None]


def test_a_record_goes_with_its_version_and_never_stands_for_another(versions: Versions) -> None:
    version = add(versions)
    VersionRecord("a", "", 0, 0, 0, 0, ()).write(versions.record_path(version))
    versions.drop(version)
    assert not versions.record_path(version).exists()
    VersionRecord("old", "", 0, 0, 0, 0, ()).write(versions.record_path(1))
    assert add(versions) == 1
    assert versions.record(1) is None


def test_a_damaged_version_is_set_aside_once_and_its_number_is_not_used_again(versions: Versions) -> None:
    for _ in range(3):
        add(versions)
    versions.set_aside(2)
    assert (versions.all(), [path.name for path in versions.damaged()]) == ([1, 3], ["000002.damaged"])
    versions.set_aside(3)
    assert (versions.all(), [path.name for path in versions.damaged()]) == ([1], ["000003.damaged"])
    assert add(versions) == 4


def test_whatever_stands_in_place_of_a_ruleset_is_set_aside(versions: Versions, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("kept", encoding="ascii")
    for version in (1, 2, 3):
        path = versions.ruleset(version)
        path.parent.mkdir(exist_ok=True)
        if version == 1:
            path.mkdir()
            (path / "inside").touch()
        elif version == 2:
            os.mkfifo(path)
        else:
            path.symlink_to(tmp_path / "elsewhere")
        versions.set_aside(version)
    assert [path.name for path in versions.damaged()] == ["000003.damaged"]
    assert (tmp_path / "elsewhere").read_text(encoding="ascii") == "kept"


@pytest.mark.parametrize("kind", ["pipe", "folder", "device", "empty", "sparse", "zeros"])
def test_what_is_no_ruleset_is_refused_at_once(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "000001.ruleset"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "device":
        path.symlink_to("/dev/zero")
    else:
        path.write_bytes(bytes(4096) if kind == "zeros" else b"")
        if kind == "sparse":
            os.truncate(path, 1 << 40)
    with pytest.raises(DamagedRuleset):
        Ruleset.open(path)
