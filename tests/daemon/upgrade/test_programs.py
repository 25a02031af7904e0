"""Which programs an upgrade executes: those that nobody else could have put where their path leads."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from blockd.daemon.upgrade.upgrading import command_of
from tests.break_in import NEEDS_ROOT, NOBODY


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """A program in a folder of its own, which nobody else can write to."""
    made = tmp_path / "opt" / "blockd-2" / "bin" / "blockd"
    made.parent.mkdir(parents=True)
    made.write_text("#!/bin/true\n")
    made.chmod(0o755)
    return made


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    """A folder that everybody can write to."""
    made = tmp_path / "shared"
    made.mkdir()
    made.chmod(0o777)
    return made


def link(place: Path, to: str | Path) -> Path:
    place.symlink_to(to)
    return place


def test_a_program_is_executed_by_its_path_also_by_links(program: Path, tmp_path: Path) -> None:
    straight = link(tmp_path / "blockd", program)
    folder = link(tmp_path / "opt" / "blockd", "../opt/./blockd-2")
    for path in (program, straight, folder / "bin" / "blockd", program.parent / ".." / "bin" / "blockd"):
        assert command_of(str(path)) == [str(path), *sys.argv[1:]]


@pytest.mark.parametrize(
    "made",
    [
        lambda program, shared: link(shared / "blockd", program),
        lambda program, shared: link(program.parent / "other", link(shared / "blockd", program)),
        lambda program, shared: link(shared / "bin", program.parent) / "blockd",
        lambda program, shared: link(program.parent / "far", f"../../../shared/../opt/{shared.name}/blockd"),
    ],
    ids=["a link there", "a link to a link there", "a folder by a link there", "a way through it"],
)
def test_one_that_a_link_leads_to_which_others_could_replace_is_not(
    program: Path, shared: Path, made: Callable[[Path, Path], Path]
) -> None:
    path = made(program, shared)
    if not path.exists():
        link(program.parents[2] / shared.name, program.parent)
    with pytest.raises(ValueError, match=f"{shared} can be written by others than its owner"):
        command_of(str(path))


@NEEDS_ROOT
def test_nor_one_by_a_link_of_another_user(program: Path, tmp_path: Path) -> None:
    path = link(tmp_path / "blockd", program)
    os.chown(path, NOBODY.pw_uid, NOBODY.pw_gid, follow_symlinks=False)
    with pytest.raises(ValueError, match=f"{path} belongs to user {NOBODY.pw_uid}"):
        command_of(str(path))


def test_links_that_lead_in_a_circle_are_no_program(tmp_path: Path) -> None:
    link(tmp_path / "one", "other")
    link(tmp_path / "other", "one")
    with pytest.raises(ValueError, match="is not a program that this user may execute"):
        command_of(str(tmp_path / "one"))
