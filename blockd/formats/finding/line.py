"""Finding the line of a list that names an entry: a fast search for its text, then parsing of the lines found.

The text of a signed order's list is sorted, and is searched by bisection.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from blockd.errors import FeedRefused
from blockd.formats.blocks import read_blocks
from blockd.formats.body import open_body
from blockd.formats.rejects import RejectReport
from blockd.formats.sorted import mapped, seek
from blockd.formats.text_format import TextFormat
from blockd.names import DomainName, is_network_key
from blockd.orders import Scope
from blockd.printable import unproved

MAX_READ = 10_000  # lines parsed; a list that has only longer names with this one inside would take too long
_COUNTED = 1 << 20  # octets whose line feeds are counted at once


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a list: its number from 1, and its text, made printable."""

    number: int
    text: str


def find_line(form: TextFormat, path: Path, key: bytes, max_size: int, scope: Scope = Scope.BOTH) -> Line | None:
    """Return the first line of the list at `path` that names `key`; None if none does, or the list cannot be read.

    Where lines say what they cover, it covers part of `scope`.

    The format's spellings of the key are searched for, in any case. A line found is then parsed as the feed parses it,
    and must have the very key. If the format has no spellings, all lines are parsed.
    """
    spellings = form.spellings(key)
    before = read = 0
    try:
        with open_body(path, max_size) as pieces:
            blocks = read_blocks(pieces)
            if spellings is None:
                return _parsed_line(form, blocks, key, str(path))
            for block in blocks:
                for start, end in _with_text(block, spellings):
                    line = block[start:end]
                    if key in form.keys_of_line(line, scope):
                        return Line(before + block.count(b"\n", 0, start) + 1, unproved(line.strip()))
                    read += 1
                    if read == MAX_READ:
                        return None
                before += block.count(b"\n")
    except FeedRefused:
        return None
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


def _with_text(block: bytes, spellings: set[bytes]) -> Iterator[tuple[int, int]]:
    """Yield where the lines with one of the texts, which are in lower case, begin and end, in their order."""
    folded = block.lower()  # only ASCII letters change, so every octet stays in its place
    at = 0
    while True:
        found = [place for text in spellings if (place := folded.find(text, at)) >= 0]
        if not found:
            return
        start = folded.rfind(b"\n", 0, min(found)) + 1
        at = folded.find(b"\n", start) + 1
        yield start, at - 1
