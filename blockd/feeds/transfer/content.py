"""A transferred zone on disk: a base file with the zone as last received whole, and a journal of the changes since.

The journal is the feed's content: a small file that names its base, which is beside it and never changes. So a day's
change writes a small file, not the whole zone. Its first line is JSON, each further one a line of zone text after `-`
if it was removed and `+` if it was added. Read through `open_zone`, a zone is flat zone text: one record per line,
absolute owners, its SOA first and also last, so that a cut file is detected.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import BinaryIO

from blockd.errors import FeedRefused
from blockd.files import replacing
from blockd.formats.body import cannot_read, open_regular
from blockd.printable import unproved

MAX_CHANGED = 400_000  # lines of a journal: a month of a national zone's changes; then the zone is fetched whole
MAX_JOURNAL = 64 << 20  # octets; a journal is held in memory
MAX_HEAD = 64 * 1024  # octets of the first line: two SOA lines and a few numbers
BASE = "zone."  # the prefix of base files' names; their digest follows
_FORMAT = 1
_PIECE = 1 << 20  # octets read at once


@dataclass(frozen=True, slots=True)
class ZoneContent:
    """The head of a journal: the zone's current SOA line, and its base with size, record count and own SOA line."""

    soa: str
    serial: int
    base: str
    octets: int
    records: int
    base_soa: str
    digest: str  # SHA-256 of the base, in hex
    format: int = _FORMAT

    @classmethod
    def read(cls, journal: Path) -> ZoneContent:
        """Return the head of a journal; raises FeedRefused if it or its base cannot be used."""
        with open_regular(journal) as file:
            return cls._parsed(journal, file.read(MAX_HEAD))

    @classmethod
    def _parsed(cls, journal: Path, start: bytes) -> ZoneContent:
        try:
            head = json.loads(start.partition(b"\n")[0])
            content = cls(**head)
            usable = content.format == _FORMAT and content.base.startswith(BASE) and "/" not in content.base
            size = (journal.parent / content.base).stat().st_size if usable else -1
        except (ValueError, TypeError, AttributeError) as error:
            raise FeedRefused("format", f"{journal} is not a zone journal. The zone is fetched anew.") from error
        except OSError as error:
            raise cannot_read(journal, error) from error
        if not usable or size != content.octets:
            raise FeedRefused("cut", f"The base of {journal} is missing or damaged. The zone is fetched anew.")
        return content


@dataclass(slots=True)
class Differences:
    """The changes since a base: lines removed from it and lines added. A line that was both is neither."""

    removed: set[bytes] = field(default_factory=set)
    added: dict[bytes, None] = field(default_factory=dict)  # in their order
    octets: int = 0  # of all lines that were taken

    @classmethod
    def read(cls, journal: Path) -> Differences:
        """Return the differences in a journal; raises FeedRefused if it cannot be read."""
        differences = cls()
        with open_regular(journal) as raw, contextlib.closing(os.fdopen(os.dup(raw.fileno()), "rb")) as file:
            file.readline(MAX_HEAD)
            for line in file:
                if line[:1] == b"-":
                    differences.removed.add(line[1:-1])
                else:
                    differences.added[line[1:-1]] = None
                differences.octets += len(line)
        return differences

    def take(self, removed: bool, text: bytes) -> None:
        """Add removed or added lines; raises FeedRefused if one is removed twice, or there are too many."""
        self.octets += len(text)
        for line in text.split(b"\n")[:-1]:
            if not removed:
                if line in self.removed:
                    self.removed.discard(line)
                else:
                    self.added[line] = None
            elif line in self.added:
                del self.added[line]
            elif line in self.removed:
                raise FeedRefused("differences", f"a record is removed twice: {unproved(line)}")
            else:
                self.removed.add(line)
        if len(self.removed) + len(self.added) > MAX_CHANGED or self.octets > MAX_JOURNAL:
            raise FeedRefused("differences", "too much has changed since the zone was last fetched whole")


def write_journal(path: Path, content: ZoneContent, differences: Differences) -> None:
    """Write a journal atomically, synced to the disk."""
    with replacing(path) as file:
        file.write(json.dumps(asdict(content)).encode() + b"\n")
        file.writelines(b"-%b\n" % line for line in sorted(differences.removed))
        file.writelines(b"+%b\n" % line for line in differences.added)


@contextlib.contextmanager
def open_zone(journal: Path) -> Iterator[Iterator[bytes]]:
    """Yield the zone of a journal as flat zone text, in pieces of whole lines.

    Raises FeedRefused: missing, cut or format if journal or base are damaged; and, at the end only, differences if a
    record was removed that is not in the base, in which case everything yielded before is void.
    """
    content = ZoneContent.read(journal)
    differences = Differences.read(journal)
    with open_regular(journal.parent / content.base) as base:
        yield _merged(base, content, differences)


def _merged(base: BinaryIO, content: ZoneContent, differences: Differences) -> Iterator[bytes]:
    pieces = _whole_lines(base)
    if content.soa == content.base_soa and not differences.removed and not differences.added:
        yield from pieces
        return
    soa = content.soa.encode() + b"\n"
    yield soa
    yield from _without(pieces, differences.removed, content.base_soa.encode())
    if differences.added:
        yield b"\n".join(differences.added) + b"\n"
    yield soa


def _whole_lines(base: BinaryIO) -> Iterator[bytes]:
    """Yield a file in pieces of whole lines; no line of a base is longer than a piece."""
    rest = b""
    while data := base.read(_PIECE):
        end = data.rfind(b"\n") + 1
        if end:
            yield rest + data[:end]
            rest = data[end:]
        else:
            rest += data
    if rest:
        raise FeedRefused("cut", "The zone on disk ends within a line. The zone is fetched anew.")


def _without(pieces: Iterable[bytes], removed: set[bytes], soa: bytes) -> Iterator[bytes]:
    """Yield the pieces without the base's SOA and without the removed lines."""
    out = {soa, *removed}
    missing = set(removed)
    for piece in pieces:
        lines = piece.split(b"\n")
        if out.isdisjoint(lines):
            yield piece
            continue
        missing.difference_update(lines)
        if kept := b"\n".join([line for line in lines if line not in out]):
            yield kept
    if missing:
        line = next(iter(missing))
        raise FeedRefused(
            "differences",
            f"{len(missing):,} records were removed that are not in the zone, such as {unproved(line)}: nothing is "
            "taken. The zone is fetched whole.",
        )
