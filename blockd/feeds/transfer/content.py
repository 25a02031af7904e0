"""A transferred zone on disk: a base file with the zone as last received whole, and a journal of the changes since.

The journal is the feed's content: a small file that names its base, which is beside it and never changes. So a day's
change writes a small file, not the whole zone. Its first line is JSON, each further one a line of zone text: after `+`
if the zone has it, after `-` if it has gone and the base must have it, and after `~` if it came and went, so that the
base may have it. Read through `open_zone`, a zone is flat zone text: one record per line, absolute owners, its SOA
first and also last, so that a cut file is detected.

A zone is a set of records (RFC 2181 section 5). Two are the same if owner, type and data are (RFC 2136 section 1.1):
what is added with another TTL replaces the one that is there.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field, replace
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
_FORMAT = 2
_READABLE = (1, _FORMAT)  # formats; in 1 a record that came and went was not noted
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
            usable = content.format in _READABLE and content.base.startswith(BASE) and "/" not in content.base
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
    """The changes since a base. `now` has each record that changed, see `record_of`: its line, or None if it has gone.

    `needed` are those of them that the base must hold, since they were removed without having been added.
    """

    now: dict[bytes, bytes | None] = field(default_factory=dict)
    needed: set[bytes] = field(default_factory=set)
    octets: int = 0  # of all lines that were taken

    @classmethod
    def read(cls, journal: Path) -> Differences:
        """Return the differences in a journal; raises FeedRefused if it cannot be read."""
        differences = cls()
        with open_regular(journal) as raw, contextlib.closing(os.fdopen(os.dup(raw.fileno()), "rb")) as file:
            file.readline(MAX_HEAD)
            for line in file:
                text = line[1:-1]
                record = record_of(text)
                differences.now[record] = text if line[:1] == b"+" else None
                if line[:1] == b"-":
                    differences.needed.add(record)
                differences.octets += len(line)
        return differences

    @property
    def added(self) -> list[bytes]:
        """The lines of the records that are in the zone."""
        return [line for line in self.now.values() if line is not None]

    def take(self, removed: bool, text: bytes) -> None:
        """Add removed or added lines; raises FeedRefused if one is removed twice, or there are too many."""
        self.octets += len(text)
        for line in text.split(b"\n")[:-1]:
            record = record_of(line)
            if not removed:
                self.now[record] = line
            elif record not in self.now:
                self.needed.add(record)
                self.now[record] = None
            elif self.now[record] is None:
                raise FeedRefused("differences", f"a record is removed twice: {unproved(line)}")
            else:
                self.now[record] = None
        if len(self.now) > MAX_CHANGED or self.octets > MAX_JOURNAL:
            raise FeedRefused("differences", "too much has changed since the zone was last fetched whole")


def record_of(line: bytes) -> bytes:
    """Return a line `owner TTL IN type data` without its TTL."""
    owner, _, rest = line.partition(b" ")
    ttl, _, data = rest.partition(b" ")
    return b"%b %b" % (owner, data) if ttl.isdigit() else line


def write_journal(path: Path, content: ZoneContent, differences: Differences) -> None:
    """Write a journal atomically, synced to the disk."""
    now, needed = differences.now, differences.needed
    with replacing(path) as file:
        file.write(json.dumps(asdict(replace(content, format=_FORMAT))).encode() + b"\n")
        file.writelines(b"-%b\n" % record for record in sorted(needed))
        file.writelines(b"~%b\n" % record for record in now if now[record] is None and record not in needed)
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
    if content.soa == content.base_soa and not differences.now:
        yield from pieces
        return
    soa = content.soa.encode() + b"\n"
    yield soa
    yield from _unchanged(pieces, differences, content.base_soa.encode())
    if added := differences.added:
        yield b"\n".join(added) + b"\n"
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


def _unchanged(pieces: Iterable[bytes], differences: Differences, soa: bytes) -> Iterator[bytes]:
    """Yield the pieces without the base's SOA, and without the records that have changed."""
    changed, missing = differences.now, set(differences.needed)
    owners = {record[: record.find(b" ")] for record in (soa, *changed)}  # few lines have one of these

    def is_changed(line: bytes) -> bool:
        record = record_of(line)
        missing.discard(record)
        return record in changed or line == soa

    for piece in pieces:
        lines = piece.split(b"\n")
        kept = [line for line in lines if line[: line.find(b" ")] not in owners or not is_changed(line)]
        if len(kept) == len(lines):
            yield piece
        elif text := b"\n".join(kept):
            yield text
    if missing:
        record = next(iter(missing))
        raise FeedRefused(
            "differences",
            f"{len(missing):,} records were removed that are not in the zone, such as {unproved(record)}: nothing is "
            "taken. The zone is fetched whole.",
        )
