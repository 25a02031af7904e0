"""Whether a file system refuses to write is tried now and then, and at once after a file could not be written."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from blockd.daemon.processes.writability import PROBED_EACH, Probe, turns_down
from blockd.files import refused_writes, replace_file, replace_files


class Tried:
    """A probe that is asked every two seconds, of a file system that refuses or not."""

    def __init__(self) -> None:
        self.now = 50.0
        self.tries = 0
        self.is_refused = False
        self.probe = Probe(lambda: self.now, self._try)

    def _try(self, folder: Path) -> bool:
        self.tries += 1
        return self.is_refused

    def ask(self, seconds: float) -> list[bool]:
        """Ask until so many seconds are over; return the answers."""
        answers, until = [], self.now + seconds
        while self.now < until:
            answers.append(self.probe(Path("/state")))
            self.now += 2.0
        return answers


def refuse(folder: Path) -> None:
    with pytest.raises(FileNotFoundError):
        replace_file(folder / "missing" / "file", b"")


def test_a_file_is_made_once_in_a_while() -> None:
    node = Tried()
    assert not any(node.ask(10 * PROBED_EACH))
    assert node.tries == 10
    node.is_refused = True
    assert any(node.ask(PROBED_EACH)), "it is found in time"


def test_a_write_that_fails_has_it_tried_at_once_and_each_time_until_it_is_well(tmp_path: Path) -> None:
    node = Tried()
    node.ask(4.0)
    node.is_refused = True
    assert node.ask(4.0) == [False, False]
    refuse(tmp_path)
    assert node.ask(4.0) == [True, True]
    node.is_refused = False
    before = node.tries
    assert node.ask(6.0) == [False, False, False]
    assert node.tries == before + 1


def test_files_that_cannot_be_replaced_are_counted(tmp_path: Path) -> None:
    before = refused_writes()
    replace_file(tmp_path / "file", b"x")
    replace_files([(tmp_path / "file", [b"y"])])
    assert refused_writes() == before
    refuse(tmp_path)
    with pytest.raises(FileNotFoundError):
        replace_files([(tmp_path / "missing" / "file", [b"y"])])
    assert refused_writes() == before + 2


def test_the_file_that_is_made_has_no_name(tmp_path: Path) -> None:
    assert not turns_down(tmp_path)
    assert os.listdir(tmp_path) == []  # noqa: PTH208
