"""The canonical text of a list of any size, in bounded memory, and the differences between two texts.

The names are sorted in runs that fit in memory, each in a file. Then all runs are cut at the same names, and the parts
between two cuts are sorted together: octets are compared in C, unlike in a merge name by name in Python, and no
external program is needed, whose options and order differ between systems.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from operator import eq
from pathlib import Path
from typing import BinaryIO

from blockd.errors import FeedRefused
from blockd.formats.blocks import read_blocks
from blockd.formats.body import open_body
from blockd.formats.domains import read_names
from blockd.formats.rejects import RejectReport
from blockd.formats.sorted import Text, mapped, side_by_side
from blockd.formats.writer import TextWriter
from blockd.orders.coverage import MAX_LIST_SIZE

_RUN = 16 << 20  # octets of names sorted at once, some 700,000; as Python's values they take five times as much
_MERGED = 64 << 10  # octets of each run sorted together
_COMPARED = 4 << 10  # octets compared at once: a day's changes are sparse


@dataclass(frozen=True, slots=True)
class TextFacts:
    """The signed facts about a list's text: its octets, its names, and its SHA-256 in hexadecimal."""

    size: int
    count: int
    sha256: str


def write_names(source: Path, file: BinaryIO, rejects: RejectReport, work: Path) -> TextFacts:
    """Read a list with one name per line, plain or gzip, and write its canonical text to `file`.

    `work` is an empty folder for temporary files. Fills `rejects`; raises FeedRefused as `open_body` and
    `read_blocks` do, and `empty` if it holds no name.
    """
    with open_body(source, MAX_LIST_SIZE) as pieces:
        runs = list(_runs(read_names(read_blocks(pieces, rejects), rejects), work))
    count = 0
    with TextWriter(file) as writer:
        for slices in side_by_side(runs, _MERGED):
            names = _lines(b"".join(slices))
            names.sort()
            names = _once(names)
            count += len(names)
            writer.add(_text(names))
        sha256 = writer.finish()
        if not count:
            raise FeedRefused("empty", f"{source} holds no name: nothing of it is taken.")
        return TextFacts(writer.size, count, sha256)


def changed(old: Text, new: Text) -> Iterator[bytes]:
    """Yield the changes from one canonical text to another: `+name` and `-name`, in the order of the names."""
    for before, after in side_by_side((old, new), _COMPARED):
        if before != after:
            gone, come = set(_lines(before)), set(_lines(after))
            for name in sorted(gone ^ come):
                yield (b"-" if name in gone else b"+") + name


def _runs(batches: Iterable[list[bytes]], work: Path) -> Iterator[Text]:
    gathered: list[bytes] = []
    size = number = 0
    for names in batches:
        gathered += names
        size += sum(map(len, names))
        if size >= _RUN:
            yield _run(gathered, work / str(number))
            number += 1
            size = 0
            gathered.clear()
    if gathered:
        yield _run(gathered, work / str(number))


def _run(names: list[bytes], path: Path) -> Text:
    names.sort()
    path.write_bytes(_text(_once(names)))
    text = mapped(path)
    path.unlink()  # it exists for as long as it is mapped
    return text


def _once(names: list[bytes]) -> list[bytes]:
    """Return lines without consecutive duplicates; usually there are none, which is quickly seen."""
    return list(dict.fromkeys(names)) if any(map(eq, names, islice(names, 1, None))) else names


def _lines(text: bytes) -> list[bytes]:
    return text.split(b"\n")[:-1]


def _text(names: list[bytes]) -> bytes:
    return b"".join([b"\n".join(names), b"\n"]) if names else b""
