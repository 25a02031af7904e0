"""The secret of the admin port: who may read it, and what becomes of one that is missing, damaged or open."""

from __future__ import annotations

import grp  # noqa: F401 - which nobody may not be able to load
import os
import re
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from blockd.daemon.operator.admin_secret import FILE, admin_secret, known_secret
from blockd.errors import CommandError
from tests.break_in import NEEDS_ROOT, attempted, become_nobody, let_through


def test_it_is_random_kept_over_restarts_and_closed_to_others(tmp_path: Path) -> None:
    secret = admin_secret(tmp_path)
    assert re.fullmatch("[0-9a-f]{64}", secret)
    assert admin_secret(tmp_path) == secret == known_secret(tmp_path)
    assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o640
    other = tmp_path / "other"
    other.mkdir()
    assert admin_secret(other) != secret


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _cut(path: Path) -> None:
    path.write_text(path.read_text()[:40])


def _huge(path: Path) -> None:
    path.write_bytes(b"a" * 10_000)


def _open(path: Path) -> None:
    path.chmod(0o644)


def _writable(path: Path) -> None:
    path.chmod(0o660)


def _link(path: Path) -> None:
    target = path.with_name("chosen-by-somebody-else")
    target.write_text("0" * 64)
    path.unlink()
    path.symlink_to(target)


def _pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path, 0o640)


@pytest.mark.parametrize("damage", [_empty, _cut, _huge, _open, _writable, _link, _pipe])
def test_one_that_is_damaged_or_open_is_replaced(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    before = admin_secret(tmp_path)
    path = tmp_path / FILE
    path.chmod(0o640)
    damage(path)
    secret = admin_secret(tmp_path)
    assert secret not in (before, "0" * 64)
    assert known_secret(tmp_path) == secret
    found = path.lstat()
    assert (stat.S_ISREG(found.st_mode), stat.S_IMODE(found.st_mode)) == (True, 0o640)


def test_where_it_cannot_be_written_nobody_knows_it(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    secret = admin_secret(tmp_path / "missing")
    assert len(secret) == 64
    assert "refuses every change" in caplog.text
    assert secret not in caplog.text


def test_a_verb_without_a_secret_asks_without(tmp_path: Path) -> None:
    assert known_secret(tmp_path) == ""


@NEEDS_ROOT
def test_a_verb_of_somebody_else_is_told_what_to_do(tmp_path: Path) -> None:
    admin_secret(tmp_path)

    def told() -> bool:
        with pytest.raises(CommandError, match="run this as root, or as a member of the group root; nothing was"):
            known_secret(tmp_path)
        return True

    let_through(tmp_path)
    assert attempted(told, become_nobody)
