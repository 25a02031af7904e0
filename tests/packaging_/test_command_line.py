"""Shell completion and manual pages: made from the parsers, and read by real shells and by groff."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from blockd_build import command_line

from blockd import __version__
from blockd.cli.grammar import VERBS, commands, parser
from tests.places import ROOT


def _tool(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"{name} is not installed")
    return path


@pytest.fixture(scope="module")
def share(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files as they are installed, made from this tree."""
    root = tmp_path_factory.mktemp("tree")
    (root / "blockd").symlink_to(ROOT / "blockd")
    places = {place for place, _ in command_line.write(root)}
    assert places == {
        "share/bash-completion/completions",
        "share/fish/vendor_completions.d",
        "share/man/man1",
        "share/zsh/site-functions",
    }
    return root / command_line.FOLDER


def _bash(share: Path, folder: Path, *words: str) -> list[str]:
    """Return what bash offers for the last word."""
    script = (
        'source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _blockd; '
        'for one in "${COMPREPLY[@]}"; do printf "%s\\n" "$one"; done'
    )
    told = subprocess.run(  # noqa: S603 - a script of ours
        [_tool("bash"), "-c", script, "bash", str(share / "bash-completion/completions/blockd"), *words],
        cwd=folder, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert told.stderr == ""
    return told.stdout.splitlines()


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["blockd", "ver"], ["versions"]),
        (["blockd", "o"], ["override"]),
        (["blockd", "--ver"], ["--version"]),
        (["blockd", "override", ""], ["add", "list", "end"]),
        (["blockd", "override", "add", "--sc"], ["--scope"]),
        (["blockd", "override", "add", "--scope", ""], ["exact", "subdomains", "both"]),
        (["blockd", "override", "add", "--reason", ""], []),
        (["blockd", "authority", "order", "ch"], ["check-name"]),
        (["blockd", "authority", "order", "new", "--act"], ["--action"]),
        (["blockd", "audit", "--kind", "over"], ["override", "override-ended"]),
        (["blockd", "audit", "prove", "--ex"], ["--export"]),
        (["blockd", "validate", "--type", "a"], ["adblock", "addresses"]),
        (["blockd", "validate", "a l"], ["a list"]),
        (["blockd", "check", "--config", "a l"], ["a list"]),
        (["blockd", "lookup", "a"], []),
        (["blockd", "--json", "status", "--c"], ["--config"]),
    ],
)
def test_bash_offers_what_the_parsers_take(words: list[str], offered: list[str], share: Path, tmp_path: Path) -> None:
    (tmp_path / "a list").touch()
    assert _bash(share, tmp_path, *words) == offered


def test_every_word_of_every_command_is_offered(share: Path, tmp_path: Path) -> None:
    assert _bash(share, tmp_path, "blockd", "") == list(VERBS)
    for command in commands(parser()):
        wanted = sorted({option for action in command.parser._actions for option in action.option_strings})
        assert sorted(_bash(share, tmp_path, *command.name.split(), "-")) == wanted, command.name


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("blockd ver", ["versions"]),
        ("blockd override ", ["add", "end", "list"]),
        ("blockd override add --scope ", ["both", "exact", "subdomains"]),
        ("blockd audit prove --ex", ["--export"]),
        ("blockd validate a", ["a list"]),
    ],
)
def test_fish_offers_what_the_parsers_take(line: str, offered: list[str], share: Path, tmp_path: Path) -> None:
    (tmp_path / "a list").touch()
    script = f"source {share / 'fish/vendor_completions.d/blockd.fish'}; complete -C '{line}'"
    told = subprocess.run(  # noqa: S603 - a script of ours
        [_tool("fish"), "--no-config", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert sorted(one.partition("\t")[0].replace("\\", "") for one in told.stdout.splitlines()) == offered


def test_zsh_can_read_its_function(share: Path) -> None:
    """And calls it with stand-ins for what its completion system provides."""
    script = (
        'compadd() { print -l -- "${(@)argv[2,-1]}" }; _files() { print files }; _message() { print message }; '
        '_describe() { print -l -- "${(@P)argv[-1]%%:*}" }; '
        'words=(blockd "${(@)argv[2,-1]}"); CURRENT=${#words}; source $1'
    )
    for words, offered in (
        (["ver", "x"], ["run", "check"]),
        (["override", ""], ["add", "list", "end"]),
        (["override", "add", "--scope", ""], ["exact", "subdomains", "both"]),
        (["validate", ""], ["files"]),
        (["rollback", "-"], ["-h", "--help", "--config", "--json", "--reason", "--release"]),
    ):
        told = subprocess.run(  # noqa: S603 - a script of ours
            [_tool("zsh"), "-f", "-c", script, "zsh", str(share / "zsh/site-functions/_blockd"), *words],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert told.stderr == ""
        assert told.stdout.splitlines()[: len(offered)] == offered


def test_each_verb_has_a_manual_page_that_groff_reads_without_a_warning(share: Path) -> None:
    pages = sorted((share / "man/man1").iterdir())
    assert [path.name for path in pages] == sorted(["blockd.1", *(f"blockd-{verb}.1" for verb in VERBS)])
    groff = _tool("groff")
    for path in pages:
        told = subprocess.run(  # noqa: S603 - a page of ours
            [groff, "-man", "-Tutf8", "-ww", str(path)], capture_output=True, text=True, check=True
        )
        assert told.stderr == "", path.name
        assert f"blockd {__version__}" in told.stdout


def test_manual_pages_have_every_option_and_the_exit_codes(share: Path) -> None:
    for command in commands(parser()):
        verb = command.name.split()[1]
        page = (share / f"man/man1/blockd-{verb}.1").read_text(encoding="utf-8").replace("\\-", "-")
        for action in command.parser._actions:
            for option in action.option_strings:
                assert f"\\fB{option}\\fR" in page, f"{command.name} {option}"
        assert "interrupted (SIGINT)" in page
