"""The token that a verb sends: of the file that `--token-file` names, else of the environment."""

from __future__ import annotations

import os
from pathlib import Path

from blockd.errors import CommandError, cause_of

VARIABLE = "BLOCKD_TOKEN"
MAX_FILE = 4096  # octets

_file: list[Path] = []


def take_from(path: Path | None) -> None:
    """Have the token be read from a file, for the verb that runs; from the environment if it is None."""
    _file[:] = [] if path is None else [path]


def known_token() -> str:
    """Return the token, empty if there is none; raises CommandError if its file cannot be used."""
    if not _file:
        return os.environ.get(VARIABLE, "").strip()
    try:
        with _file[0].open("rb") as file:
            text = file.read(MAX_FILE).decode("ascii").strip()
    except (OSError, ValueError) as error:
        raise CommandError(f"{_file[0]} cannot be used: {cause_of(error)}; nothing was asked") from error
    if not text or not text.isprintable() or " " in text:
        raise CommandError(f"{_file[0]} does not hold a token; nothing was asked")
    return text
