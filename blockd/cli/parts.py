"""Verbs that have parts, as `blockd audit verify`: only the modules that the words given can need are imported.

Options stand wherever a user puts them, and the common ones behind a part as well as before it.
"""

from __future__ import annotations

import argparse
import importlib
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

_HYPHENED = re.compile(r"-[\w-]*\.[\w.-]+$", re.ASCII)


class Parser(argparse.ArgumentParser):
    """A parser that knows all `words` of the command line beforehand, so that a command starts fast."""

    def __init__(self, *args: Any, words: Sequence[str] = (), **options: Any) -> None:
        super().__init__(*args, **options)
        self.words = words


def names_may_begin_with_hyphens(parser: argparse.ArgumentParser) -> None:
    """Have a parser take `-x.example` as a name and not as options: lists have such names.

    argparse makes the same exception for negative numbers, by an expression that each parser has for itself.
    """
    parser._negative_number_matcher = _HYPHENED


def needed(parser: argparse.ArgumentParser, before: str, names: Sequence[str]) -> Iterator[tuple[str, ModuleType]]:
    """Yield those of some modules that the words of `parser` name, each with its name; all if they name none.

    A module is called as `before` says and then by its name, with underscores for hyphens.
    """
    words = parser.words if isinstance(parser, Parser) else ()
    for name in [name for name in names if name in words] or names:
        yield name, importlib.import_module(f"{before}{name.replace('-', '_')}")


def words_of(parser: argparse.ArgumentParser) -> dict[str, Any]:
    """Return the arguments by which a part's parser knows the words too."""
    return {"words": parser.words} if isinstance(parser, Parser) else {}


def add_part(parts: Any, name: str, text: str) -> argparse.ArgumentParser:
    """Add a part of a verb to what `add_subparsers` gave, with the common options; return its parser."""
    part: argparse.ArgumentParser = parts.add_parser(name, help=text, description=text)
    part.add_argument("--config", type=Path, default=argparse.SUPPRESS, metavar="FILE", help="the config file")
    part.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="print JSON for programs")
    return part


class MixedParser(Parser):
    """A parser that takes options between the others, as in `order new DIR --role ROLE FILE`.

    argparse alone counts all that may be left out as left out once an option comes. A parser that has parts of its own
    cannot do it, and leaves it to those of its parts.
    """

    _is_mixing = False

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """Parse as argparse does, with options anywhere."""
        if self._is_mixing or self._subparsers is not None:
            return super().parse_known_args(args, namespace)
        self._is_mixing = True  # its own two passes call this method again
        try:
            return self.parse_known_intermixed_args(args, namespace)
        finally:
            self._is_mixing = False
