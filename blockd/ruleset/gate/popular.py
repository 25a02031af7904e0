"""A list of popular names, the most popular first, as published by those who measure popularity."""

from __future__ import annotations

import re
from pathlib import Path

from blockd.errors import BadName, CommandError, FileTooLarge
from blockd.files import read_configured
from blockd.names import key_from_text

MAX_FILE = 64 << 20  # octets: a million names with their ranks are a third of it
MAX_NAMES = 1_000_000  # the longest lists that are published

_LINE = re.compile(r"(?:\d{1,9}[,;\t ]\s*)?(?P<name>[^\s,;#]+)\s*(?:[,;#].*)?")


def read_popular(path: Path) -> list[bytes]:
    """Return the keys of the first MAX_NAMES names in a file, as `parse_popular` does.

    Raises CommandError if the file cannot be read or holds no name.
    """
    try:
        text = read_configured(path, MAX_FILE)
    except FileTooLarge as error:
        raise CommandError(f"{path} is larger than {MAX_FILE >> 20} MB, the limit for such a list") from error
    except OSError as error:
        raise CommandError(f"the popular names in {path} cannot be read: {error.strerror}") from error
    keys = parse_popular(text.decode("utf-8-sig", "replace"), MAX_NAMES)
    if not keys:
        raise CommandError(f"{path} holds no name; expected a list of popular names, one name per line, by rank")
    return keys


def parse_popular(text: str, count: int) -> list[bytes]:
    """Return the keys of the first `count` names, by rank: one name per line, with or without a rank before it.

    Blank lines, comments and invalid names are skipped.
    """
    keys: dict[bytes, None] = {}
    for line in text.splitlines():
        if len(keys) == count:
            break
        if found := _LINE.fullmatch(line.strip()):
            try:
                keys[key_from_text(found["name"])] = None
            except BadName:
                continue
    return list(keys)
