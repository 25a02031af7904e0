"""Where passwords and PINs come from: a file, the environment, or the person at the terminal."""

from __future__ import annotations

import argparse
import getpass
import os
import sys
from collections.abc import Callable
from pathlib import Path

from blockd.cli.grammar.authority import PASSWORD_VARIABLE
from blockd.errors import CommandError
from blockd.files import read_file

MAX_FILE = 4096  # bytes of a password file; its first line is the password


def secrets(args: argparse.Namespace) -> Callable[[str], str]:
    """Return a function from a name to its secret, asking once for each; it raises CommandError if none is given."""
    known: dict[str, str] = {}

    def secret(name: str) -> str:
        if name not in known:
            known[name] = _given(args.password_file) or _asked(name)
        return known[name]

    return secret


def new_password(args: argparse.Namespace) -> bytes:
    """Return the password for a new key, asked for twice at a terminal; raises CommandError if none is given."""
    given = _given(args.password_file)
    if given:
        return given.encode()
    first = _asked("new password")
    if first != _asked("new password again"):
        raise CommandError("the two passwords differ; no key was made")
    return first.encode()


def is_password_given(args: argparse.Namespace) -> bool:
    """Whether a password comes from a file or the environment."""
    return args.password_file is not None or bool(os.environ.get(PASSWORD_VARIABLE))


def _given(file: Path | None) -> str:
    if file is None:
        return os.environ.get(PASSWORD_VARIABLE, "")
    try:
        line = read_file(file, MAX_FILE).decode().partition("\n")[0].rstrip("\r")
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"the password file {file} cannot be read: {error}") from error
    if not line:
        raise CommandError(f"the first line of the password file {file} is empty")
    return line


def _asked(name: str) -> str:
    if not sys.stdin.isatty():
        raise CommandError(
            f"{name}: required; use --password-file or set {PASSWORD_VARIABLE}, or run this at a terminal"
        )
    answer = getpass.getpass(f"{name}: ")
    if not answer:
        raise CommandError(f"{name}: nothing was entered")
    return answer
