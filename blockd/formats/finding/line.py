"""Finding the line of a list that names an entry: a fast search for its text, then parsing of the lines found.

The text of a signed order's list is sorted, and is searched by bisection.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from blockd.errors import FeedRefused
from blockd.formats.blocks import read_blocks
from blockd.formats.body import open_body
from blockd.formats.rejects import RejectReport
from blockd.formats.sorted import mapped, seek
from blockd.formats.text_format import TextFormat
from blockd.names import DomainName, is_network_key
from blockd.orders import Action, Scope
from blockd.printable import unproved

_OTHERWISE = re.compile(rb"[\\\x80-\xff]")
MAX_READ = 10_000  # lines parsed; a list that has only longer names with this one inside would take too long
_COUNTED = 1 << 20  # octets whose line feeds are counted at once


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a list: its number from 1, and its text, made printable."""

    number: int
    text: str


def find_line(
    form: TextFormat,
    path: Path,
    key: bytes,
    max_size: int,
    scope: Scope = Scope.BOTH,
    action: Action | None = None,
) -> Line | None:
    """Return the first line of the list at `path` that names `key`; None if none does, or the list cannot be read.

    Where lines say what they cover, it covers part of `scope`; where they say what is done, it is `action`.

    The format's spellings of the key are searched for, in any case. A line found is then parsed as the feed parses it,
    and must have the very key. If no such line has it, the lines outside of ASCII or with an escape are parsed, which
    may write it in another way. If the format has no spellings, all lines are parsed.
    """
    spellings = form.spellings(key)
    try:
        if spellings is None:
            with open_body(path, max_size) as pieces:
                return _parsed_line(form, read_blocks(pieces), key, str(path))
        for places in (partial(_with_text, texts=spellings), written_otherwise):
            line = _searched_line(form, path, key, max_size, scope, action, places)
            if line is not None:
                return line
    except FeedRefused:
        return None
    return None


def _searched_line(
    form: TextFormat,
    path: Path,
    key: bytes,
    max_size: int,
    scope: Scope,
    action: Action | None,
    places: Callable[[bytes], Iterator[tuple[int, int]]],
) -> Line | None:
    """Return the first line that names `key`, of those whose begin and end `places` yields for a block."""
    before = read = 0
    with open_body(path, max_size) as pieces:
        for block in read_blocks(pieces):
            for start, end in places(block):
                line = block[start:end]
                if key in form.keys_of_line(line, scope, action):
                    return Line(before + block.count(b"\n", 0, start) + 1, unproved(line.strip()))
                read += 1
                if read == MAX_READ:
                    return None
            before += block.count(b"\n")
    return None


def find_in_names(path: Path, key: bytes) -> Line | None:
    """Return the line of `key` in the text of a national-size order's list; None if it has none, or does not exist.

    The text is sorted, so only what lies before the line is read, to count its lines.
    """
    if is_network_key(key):
        return None
    name = DomainName(key).text.encode()
    try:
        text = mapped(path)
    except OSError:
        return None
    if text[-1:] != b"\n":
        return None
    place = seek(text, name, 0, len(text))
    if text[place : place + len(name) + 1] != name + b"\n":
        return None
    before = sum(text[at : min(at + _COUNTED, place)].count(b"\n") for at in range(0, place, _COUNTED))
    return Line(before + 1, name.decode())


def _parsed_line(form: TextFormat, blocks: Iterator[bytes], key: bytes, source: str) -> Line | None:
    """Return the first line whose keys include `key`; only the lines of its block are parsed one by one."""
    rejects = RejectReport()
    for block in blocks:
        before = rejects.lines
        if key not in set(form.keys([block], rejects, source)):
            continue
        for number, line in enumerate(block[:-1].split(b"\n"), before + 1):
            if key in form.line_keys(line, number, RejectReport()):
                return Line(number, unproved(line.strip()))
    return None


def _with_text(block: bytes, texts: Iterable[bytes]) -> Iterator[tuple[int, int]]:
    """Yield where the lines with one of the texts, which are in lower case, begin and end, in their order."""
    folded = block.lower()  # only ASCII letters change, so every octet stays in its place
    at = 0
    while True:
        found = {text: place for text in texts if (place := folded.find(text, at)) >= 0}
        if not found:
            return
        texts = found.keys()  # the others are not in the rest of the block
        start = folded.rfind(b"\n", 0, min(found.values())) + 1
        at = folded.find(b"\n", start) + 1
        yield start, at - 1


def written_otherwise(block: bytes) -> Iterator[tuple[int, int]]:
    r"""Yield where the lines with an octet outside of ASCII, or with a backslash, begin and end."""
    at = 0
    while found := _OTHERWISE.search(block, at):
        start = block.rfind(b"\n", 0, found.start()) + 1
        at = block.find(b"\n", start) + 1
        yield start, at - 1
