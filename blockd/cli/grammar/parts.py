"""Parsers of verbs and of their parts, as `blockd audit verify`: options stand wherever a user puts them."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from blockd.cli.output import error_lines, print_text

_HYPHENED = re.compile(r"-[\w-]*\.[\w.-]+$", re.ASCII)


class Verb(NamedTuple):
    """A verb: what it says of itself, the function that declares what it takes, and the folder of its module."""

    help: str
    declare: Callable[[argparse.ArgumentParser], None]
    folder: str = ""


class Parser(argparse.ArgumentParser):
    """A parser that prints as verbs do: arguments may be names of files that somebody else chose."""

    def _print_message(self, message: str, file: Any = None) -> None:
        """Print help or a version, or an error with the usage; argparse itself would not tell that this failed."""
        if file is sys.stdout:
            print_text(message)
        else:
            error_lines(message, end="")


def names_may_begin_with_hyphens(parser: argparse.ArgumentParser) -> None:
    """Have a parser take `-x.example` as a name and not as options: lists have such names.

    argparse makes the same exception for negative numbers, by an expression that each parser has for itself.
    """
    parser._negative_number_matcher = _HYPHENED


def subparsers_of(parser: argparse.ArgumentParser) -> argparse._SubParsersAction[argparse.ArgumentParser] | None:
    """Return what holds the parts of a parser; None if it has none."""
    return next((one for one in parser._actions if isinstance(one, argparse._SubParsersAction)), None)


def nothing(parser: argparse.ArgumentParser) -> None:
    """Declare nothing beyond the common options."""


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
