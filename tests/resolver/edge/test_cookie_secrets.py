"""The file of secrets that several servers share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from blockd.resolver.edge.cookie_secrets import cookie_secrets, problems_of
from blockd.resolver.edge.secret_file import MAX_SECRETS

FIRST, SECOND = "0f" * 16, "A1" * 16


def written(folder: Path, text: str, mode: int = 0o640) -> Path:
    path = folder / "secrets"
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
    return path


def test_lines_are_secrets_in_their_order(tmp_path: Path) -> None:
    path = written(tmp_path, f"# signs\n{FIRST}\n\n{SECOND}\n")
    assert not list(problems_of(path))
    assert cookie_secrets(path, os.urandom) == (bytes.fromhex(FIRST), bytes.fromhex(SECOND))


def test_without_a_file_there_is_a_new_one_each_time() -> None:
    first, second = cookie_secrets(None, os.urandom), cookie_secrets(None, os.urandom)
    assert (len(first), len(first[0])) == (1, 16)
    assert first != second


@pytest.mark.parametrize(
    ("text", "mode", "problem"),
    [
        ("", 0o600, "does not have 1 to 8 lines of 32 hexadecimal digits each; make one with `openssl rand -hex 16`"),
        ("# none\n", 0o600, "does not have 1 to 8 lines"),
        (FIRST[:-1], 0o600, "does not have 1 to 8 lines"),
        (FIRST + "00", 0o600, "does not have 1 to 8 lines"),
        (f"{FIRST}\nsecret\n", 0o600, "does not have 1 to 8 lines"),
        ("é" * 16, 0o600, "does not have 1 to 8 lines"),
        (f"{FIRST}\n" * (MAX_SECRETS + 1), 0o600, "does not have 1 to 8 lines"),
        ("#" * 5000, 0o600, "does not have 1 to 8 lines"),
        (FIRST, 0o644, "is open to every user of this machine, who could forge cookies; `chmod o-rw` it"),
        (FIRST, 0o602, "is open to every user"),
    ],
)
def test_a_file_that_cannot_be_used_is_one_sentence(tmp_path: Path, text: str, mode: int, problem: str) -> None:
    path = written(tmp_path, text, mode)
    (said,) = problems_of(path)
    assert said.startswith(f"clients.cookie_secrets: {path} {problem}")
    (made,) = cookie_secrets(path, os.urandom)
    assert made != bytes.fromhex(FIRST)


def test_a_missing_file_is_one_sentence(tmp_path: Path) -> None:
    (said,) = problems_of(tmp_path / "absent")
    assert said.startswith(f"clients.cookie_secrets: {tmp_path / 'absent'} cannot be read (No such file or directory)")
