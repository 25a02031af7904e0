"""Asking the person at the terminal before something is done that cannot be taken back by oneself."""

from __future__ import annotations

import sys
from collections.abc import Iterable

from blockd.cli.output import error_lines
from blockd.printable import printable


def agreed(question: str, lines: Iterable[str] = ()) -> bool:
    """Show lines and a question at the terminal, and return whether the answer is yes."""
    for line in lines:
        error_lines(printable(line))
    error_lines(f"{question} [y/N] ", end="")
    return sys.stdin.readline().strip().lower() in ("y", "yes")
