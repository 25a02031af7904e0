from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from blockd import __version__
from blockd.cli import VERBS, main
from tests.daemon.harness import blockd
from tests.places import ROOT


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([verb, "--help"])
    assert ended.value.code == 0
    told = capsys.readouterr().out
    assert told.startswith(f"usage: blockd {verb}")
    assert "--config FILE" in told
    assert "--json" in told


def test_help_lists_every_verb(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    told = capsys.readouterr().out
    for verb in VERBS:
        assert re.search(rf"^    {verb}\s", told, re.MULTILINE)


def test_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"blockd {__version__}\n"


@pytest.mark.parametrize("arguments", [[], ["nonsense"], ["lookup"], ["status", "--nonsense"]])
def test_wrong_usage_is_exit_code_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert "usage: blockd" in capsys.readouterr().err


@pytest.mark.parametrize("verb", ["check", "status", "refresh", "compile", "run"])
def test_missing_config_is_exit_code_2(verb: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([verb, "--config", str(tmp_path / "absent.yaml")]) == 2
    assert "absent.yaml" in capsys.readouterr().err


def test_module_is_the_command(tmp_path: Path) -> None:
    told = blockd("--version", folder=tmp_path)
    assert (told.returncode, told.stdout) == (0, f"blockd {__version__}\n")


def test_lookup_starts_without_the_daemons_modules(tmp_path: Path) -> None:
    script = (
        "import sys; from blockd.cli import main; main(['lookup', 'a.example', '--config', 'absent']);"
        "print([name for name in ('aiohttp', 'tuf', 'uvloop') if name in sys.modules])"
    )
    told = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout == "[]\n"
