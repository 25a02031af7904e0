"""What a user is called in records, whatever the machine's directory calls it."""

from __future__ import annotations

import argparse
import pwd
from pathlib import Path
from types import SimpleNamespace

import pytest

from blockd.cli.token import run
from blockd.web.callers.tokens import read_tokens
from blockd.web.callers.user_name import recorded_name


@pytest.mark.parametrize(
    ("name", "recorded"),
    [
        ("root", "root"),
        ("CORP\\budi", "CORP\\budi"),
        ("budi santoso", "7"),
        ("josé", "7"),
        ("a\nb", "7"),
        ("a" * 65, "7"),
        ("", "7"),
    ],
)
def test_a_name_that_records_cannot_have_is_a_number_and_a_token_made_by_it_works(
    name: str, recorded: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pwd, "getpwuid", lambda _: SimpleNamespace(pw_name=name))
    assert recorded_name(7) == recorded
    config = tmp_path / "blockd.yaml"
    config.write_text(f"state_dir: {tmp_path}\n", encoding="utf-8")
    monkeypatch.setattr("os.getuid", lambda: 7)
    assert run(argparse.Namespace(part="add", name="t", role="read", expires=None, json=False, config=config)) == 0
    assert [token.by for token in read_tokens(tmp_path)] == [f"user {recorded}"]


def test_a_user_whom_the_machine_does_not_know_is_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(uid: int) -> object:
        raise KeyError(uid)

    monkeypatch.setattr(pwd, "getpwuid", unknown)
    assert recorded_name(7) == "7"
