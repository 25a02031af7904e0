"""Verbs that have parts, as `blockd audit verify`: options stand wherever a user puts them."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any


def add_part(parts: Any, name: str, text: str) -> argparse.ArgumentParser:
    """Add a part of a verb to what `add_subparsers` gave, with the common options; give its parser."""
    part: argparse.ArgumentParser = parts.add_parser(name, help=text, description=text)
    part.add_argument("--config", type=Path, default=argparse.SUPPRESS, metavar="FILE", help="the config file")
    part.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="print JSON for programs")
    return part


class MixedParser(argparse.ArgumentParser):
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
        self._is_mixing = True  # its own first and second look come back here
        try:
            return self.parse_known_intermixed_args(args, namespace)
        finally:
            self._is_mixing = False
