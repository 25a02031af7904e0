"""A spare copy of a ruleset is what was verified, and nothing is left of one that could not be made."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from blockd.compile.build import build
from blockd.daemon.state_dir import StateDir
from blockd.errors import RulesetError
from blockd.feeds.candidate import Candidate
from blockd.ruleset import Gate, Ruleset
from blockd.ruleset.building.spare import make_spare
from blockd.ruleset.digest import PIECE
from tests.compile.builder import NOW, Builder, domains


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """A ruleset of some pieces."""
    content = Builder(tmp_path).content(*(f"name-number-{number:06}.example" for number in range(30_000)))
    path = tmp_path / "base"
    candidate = Candidate(domains(max_size="10M"), content, None)
    build([candidate], path, gate=Gate(), in_force=None, created=NOW, randomness=os.urandom)
    content.path.unlink()
    assert path.stat().st_size > 4 * PIECE
    return path


def test_copy_has_table_and_records_where_the_ruleset_has_them(base: Path, tmp_path: Path) -> None:
    spare = make_spare(base, tmp_path, lambda: True)
    ruleset = Ruleset.open(base)
    end = ruleset.header.records.end
    copied, copies = spare.path.read_bytes(), ruleset.octets[:end]
    assert len(copied) == end
    assert copied[256:] == copies[256:]
    assert spare.is_of(ruleset)
    spare.path.unlink()
    assert not spare.is_of(ruleset)
    ruleset.close()


@pytest.mark.parametrize("place", [40, 300, PIECE, 3 * PIECE + 5, -1])
def test_damaged_ruleset_is_not_copied(base: Path, tmp_path: Path, place: int) -> None:
    damaged = bytearray(base.read_bytes())
    damaged[place] ^= 1
    base.write_bytes(damaged)
    with pytest.raises(RulesetError):
        make_spare(base, tmp_path, lambda: True)
    assert list(tmp_path.iterdir()) == [base]


def test_copying_that_is_stopped_leaves_nothing(base: Path, tmp_path: Path) -> None:
    answers = iter([True, False, False])
    with pytest.raises(RulesetError, match="not needed"):
        make_spare(base, tmp_path, lambda: next(answers, False))
    assert list(tmp_path.iterdir()) == [base]


def test_copy_of_a_blockd_that_was_killed_is_removed_at_the_next_start(base: Path, tmp_path: Path) -> None:
    state = StateDir(tmp_path / "state")
    spare = make_spare(base, state.folder, lambda: True)
    state.tidy()
    assert not spare.path.exists()
