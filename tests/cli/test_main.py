from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from blockd import __version__
from blockd.audit.chain import KINDS
from blockd.cli import main
from blockd.cli.grammar import VERBS, Command, audit, authority, commands, operator, orders, parser
from blockd.cli.grammar.exit_codes import ANSWER_IS_NO
from blockd.orders import Action, Mandate, repository
from blockd.settings import TEXT_TYPES
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


@pytest.mark.parametrize(
    "words", [["--version"], ["--help"], ["nonsense"], ["status", "--nonsense"], ["authority", "sign"], ["lookup"]]
)
def test_usage_and_version_are_answered_with_the_standard_library_alone(words: list[str], tmp_path: Path) -> None:
    """They take as long as Python's start: what takes time is the import of the libraries and of the rooms."""
    script = (
        "import sys\n"
        "from blockd.cli import main\n"
        "try:\n"
        "    main(sys.argv[1:])\n"
        "except SystemExit:\n"
        "    pass\n"
        "ours = [name for name in sys.modules if name.startswith('blockd.') and not name.startswith('blockd.cli')]\n"
        "slow = {'pydantic', 'yaml', 'aiohttp', 'tuf', 'asyncio', 'json', 'ssl'} & set(sys.modules)\n"
        "print(sorted(ours), sorted(slow), file=sys.stderr)\n"
    )
    told = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", script, *words],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stderr.splitlines()[-1] == "['blockd.errors', 'blockd.printable'] []"


@pytest.mark.parametrize("command", list(commands(parser())), ids=lambda command: command.name)
def test_help_of_every_command_names_its_exit_codes(command: Command) -> None:
    told = " ".join(command.parser.format_help().split())
    assert "exit codes: 0 done; 1 " in told
    assert "; 2 the usage or the config is wrong" in told
    assert "; 130 interrupted (SIGINT)." in told
    if command.name in ANSWER_IS_NO:
        assert ANSWER_IS_NO[command.name].split(";")[0] in told


def test_words_of_the_command_line_are_those_of_the_rooms() -> None:
    assert operator.LIST_TYPES == TEXT_TYPES
    assert tuple(KINDS) == audit.RECORD_KINDS
    assert tuple(action.value for action in Action if not action.is_zones) == orders.ACTIONS
    assert tuple(mandate.value for mandate in Mandate) == orders.MANDATES
    assert repository.TOP_ROLES == authority.TOP_ROLES
