"""The tree of all commands, and walking it."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from blockd import __version__
from blockd.cli.grammar import audit, authority, operator
from blockd.cli.grammar.exit_codes import exit_codes
from blockd.cli.grammar.parts import Parser, subparsers_of

VERBS = {**operator.VERBS, "authority": authority.VERB, "audit": audit.VERB, "doctor": operator.DOCTOR}
# Commands that ask the daemon, and so take a token: verbs before their parts, too.
ASKING = (
    *("lookup", "status", "reload", "upgrade", "refresh", "rollback", "accept", "doctor"),
    *("override", "override add", "override list", "override end"),
    *("held", "held release", "held hold"),
    *("cache", "cache show", "cache flush"),
    *("audit statement", "authority order list", "authority order show"),
)
CONFIGS = (Path("config/blockd.yaml"), Path("/etc/blockd/blockd.yaml"))  # the first that is there is the default


class Command(NamedTuple):
    """One command that can be run: `blockd audit prove`, in how many words it is said, and what it takes."""

    name: str
    help: str
    parser: argparse.ArgumentParser


def parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    top = Parser(prog="blockd", description="Enforce signed blocklists in DNS and HTTP.")
    top.add_argument("--version", action="version", version=f"blockd {__version__}")
    verbs = top.add_subparsers(dest="verb", required=True, metavar="VERB")
    for name, verb in VERBS.items():
        child = verbs.add_parser(name, help=verb.help, description=verb.help)
        child.add_argument("--config", type=Path, default=_config(), metavar="FILE", help="the config file")
        child.add_argument("--json", action="store_true", help="print JSON for programs")
        if name in ASKING:
            _takes_token(child, None)
        child.set_defaults(module=".".join(filter(None, ("blockd.cli", verb.folder, name.replace("-", "_")))))
        verb.declare(child)
    for command in commands(top):
        name = command.name.removeprefix("blockd ")
        if name in ASKING and name not in VERBS:
            _takes_token(command.parser, argparse.SUPPRESS)
        command.parser.epilog = _epilog(command.name)
    return top


def _takes_token(parser: argparse.ArgumentParser, default: object) -> None:
    parser.add_argument(
        "--token-file", type=Path, default=default, metavar="FILE",
        help="ask at the admin port, with the token in this file",
    )  # fmt: skip


def commands(top: argparse.ArgumentParser) -> Iterator[Command]:
    """Yield every command: verbs, their parts, and the parts of these."""
    yield from _below("blockd", top)


def parts_of(one: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """Return the parsers of a command's parts by their names."""
    found = subparsers_of(one)
    return dict(found.choices) if found else {}


def _below(name: str, one: argparse.ArgumentParser) -> Iterator[Command]:
    found = subparsers_of(one)
    helps = {part.dest: part.help or "" for part in found._choices_actions} if found else {}
    for part, child in parts_of(one).items():
        under = subparsers_of(child)
        if under is None or not under.required:
            yield Command(f"{name} {part}", helps[part].replace("%%", "%"), child)
        yield from _below(f"{name} {part}", child)


def _epilog(name: str) -> str:
    """Return the last paragraph of a command's `--help`; argparse fills it to the terminal's width."""
    return "exit codes: " + "; ".join(f"{code} {meaning}" for code, meaning in _grouped(name)) + "."


def _grouped(name: str) -> Iterator[tuple[int, str]]:
    for code, meaning in exit_codes(name):
        yield code, meaning.replace("; or", ", or").replace("; ", ", ").replace("%", "%%")


def _config() -> Path:
    return next((path for path in CONFIGS if path.exists()), CONFIGS[0])
