from __future__ import annotations

import json
from pathlib import Path

import pytest

from blockd.cli import main

SHIPPED = Path(__file__).parents[2] / "config" / "blockd.yaml"


def test_usable_config_is_exit_code_0(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--config", str(SHIPPED)]) == 0
    assert "feed ministry: signed, priority 10" in capsys.readouterr().out


def test_every_problem_is_told_with_exit_code_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "blockd.yaml"
    path.write_text("workers: 0\nlisen: {}\n", encoding="utf-8")
    assert main(["check", "--config", str(path)]) == 2
    told = capsys.readouterr().err
    assert "workers: 0 is no number" in told
    assert "lisen: is not known here" in told


def test_problems_are_json_for_programs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "blockd.yaml"
    path.write_text("workers: 0\n", encoding="utf-8")
    assert main(["check", "--json", "--config", str(path)]) == 2
    told = json.loads(capsys.readouterr().out)
    assert told["usable"] is False
    assert len(told["problems"]) == 1


def test_config_without_feeds_is_said_to_enforce_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "blockd.yaml"
    path.write_text("feeds: []\n", encoding="utf-8")
    assert main(["check", "--config", str(path)]) == 0
    assert "nothing would be enforced" in capsys.readouterr().out
