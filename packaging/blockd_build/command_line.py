"""Files for the command line that are made while blockd is built: shell completion, and manual pages."""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from blockd_build import completion, manual_pages

FOLDER = Path("build", "share")  # where they are made, relative to the root of the source tree


@dataclass(frozen=True, slots=True)
class Argument:
    """What a command takes: an option with its names, or else a value by its place."""

    names: tuple[str, ...]  # `-h`, `--help`; none for a value by its place
    metavar: str  # of its value; empty if it has none
    help: str
    choices: tuple[str, ...] = ()
    is_path: bool = False
    is_required: bool = False
    is_repeated: bool = False


@dataclass(frozen=True, slots=True)
class Command:
    """A command, such as `blockd audit prove`, what it takes, and its parts by name."""

    name: str
    help: str
    arguments: tuple[Argument, ...]
    parts: tuple[Command, ...]
    epilog: str = ""

    def walk(self) -> Iterator[Command]:
        """Yield the command and all below it."""
        yield self
        for part in self.parts:
            yield from part.walk()

    @property
    def word(self) -> str:
        """The last word of its name."""
        return self.name.rpartition(" ")[2]


def write(root: Path) -> list[tuple[str, list[str]]]:
    """Make the files under `root` and return them as setuptools' data files, relative to the root."""
    top, version = read(root)
    files = {
        "bash-completion/completions/blockd": completion.bash(top),
        "zsh/site-functions/_blockd": completion.zsh(top),
        "fish/vendor_completions.d/blockd.fish": completion.fish(top),
        **{f"man/man1/{name}": text for name, text in manual_pages.pages(top, version).items()},
    }
    shutil.rmtree(root / FOLDER, ignore_errors=True)
    for place, text in files.items():
        path = root / FOLDER / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    folders = sorted({str(Path(place).parent) for place in files})
    return [
        (f"share/{folder}", sorted(str(FOLDER / place) for place in files if str(Path(place).parent) == folder))
        for folder in folders
    ]


def read(root: Path) -> tuple[Command, str]:
    """Return the command line of the tree at `root`, and its version; only the standard library is imported."""
    sys.path.insert(0, str(root))
    try:
        from blockd import __version__
        from blockd.cli.grammar import parser
    finally:
        sys.path.remove(str(root))
    return _command("blockd", "enforce signed blocklists in DNS and HTTP", parser()), __version__


def _command(name: str, about: str, parser: argparse.ArgumentParser) -> Command:
    arguments: list[Argument] = []
    parts: list[Command] = []
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            helps = {part.dest: part.help or "" for part in action._choices_actions}
            parts += [_command(f"{name} {part}", helps[part], child) for part, child in action.choices.items()]
        elif action.help is not argparse.SUPPRESS:
            arguments.append(_argument(action))
    return Command(
        name, about.replace("%%", "%"), tuple(arguments), tuple(parts), (parser.epilog or "").replace("%%", "%")
    )


def _argument(action: argparse.Action) -> Argument:
    choices = tuple(map(str, action.choices or ()))
    metavar = action.metavar if isinstance(action.metavar, str) else "|".join(choices) or action.dest.upper()
    return Argument(
        tuple(action.option_strings),
        "" if action.nargs == 0 else metavar,
        (action.help or "").replace("%%", "%"),
        choices,
        is_path=action.type is Path or action.metavar == "FILE",  # one that may be - is a text
        is_required=action.required,
        is_repeated=action.nargs in ("*", "+") or isinstance(action, argparse._AppendAction),
    )
