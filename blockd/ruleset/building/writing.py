"""Writing a ruleset file from its parts: section offsets, padding, and the digest over the whole."""

from __future__ import annotations

import os
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from blockd.errors import RulesetError
from blockd.files import open_kept, replacing, write_at
from blockd.ruleset.building.spare import Spare
from blockd.ruleset.catalogue import Catalogue
from blockd.ruleset.digest import PIECE, Pieces, overall, piece_count, renewed
from blockd.ruleset.format import HEADER_SIZE, FileSection, Header, aligned
from blockd.ruleset.mapped import Ruleset

Octets = bytes | bytearray | memoryview


def write_ruleset(
    path: Path, header: Header, catalogue: Catalogue, words: array[int], table: bytearray, records: Sequence[Octets]
) -> Header:
    """Write a ruleset to `path`, replaced atomically; `words` are the claims, `records` their section in portions.

    Returns the header as written: `header` with sections and digest filled in.
    """
    parts: list[Sequence[Octets]] = [[table], records, [words.tobytes()], [catalogue.to_json()], []]
    sections = _sections(HEADER_SIZE, [sum(map(len, part)) for part in parts])
    with replacing(path) as file, ThreadPoolExecutor(1) as beside:
        hashing = beside.submit(_digests, parts, sections)  # takes as long as writing, so both run in parallel
        file.write(bytes(HEADER_SIZE))
        for octets in _padded(parts, sections):
            file.write(octets)
        digests = hashing.result()
        file.write(digests)
        header = _placed(header, sections, digests)
        file.seek(0)
        file.write(header.pack())
    return header


def write_amended(
    path: Path,
    old: Ruleset,
    header: Header,
    catalogue: Catalogue,
    words: array[int],
    patches: Mapping[int, bytes],
    more: bytes,
    proved: Callable[[], None],
    spare: Spare | None = None,
) -> Header:
    """Write `old` with changed records, claims and catalogue to `path`; the result is not synced to the disk.

    `patches` has octets of the table and the records by their offset in the file, `more` is appended to the records.
    Returns the header as `write_ruleset` does. The old file's digests are reused, so `proved` is called before `path`
    is replaced and must raise if the old file is damaged. Raises RulesetError if the old file was replaced meanwhile.
    `spare` is a copy of the old file that becomes the new one.
    """
    begun = old.header.records.end
    parts: list[Sequence[Octets]] = [[words.tobytes()], [catalogue.to_json()], []]
    records = FileSection(old.header.records.offset, old.header.records.size + len(more))
    sections = [old.header.table, records, *_sections(records.end, [sum(map(len, part)) for part in parts])]
    end = sections[-1].offset
    with replacing(path, durable=False, begun=spare.path if spare is not None else None) as file:
        descriptor = file.fileno()
        if spare is None:
            _copy(old, descriptor, begun)
        for at, octets in patches.items():
            write_at(descriptor, octets, at)
        write_at(descriptor, b"".join([more, *_padded(parts, sections[2:], records.end)]), begun)
        dirty = {place // PIECE for at, octets in patches.items() for place in (at, at + len(octets) - 1)}
        dirty.update(range(begun // PIECE, piece_count(end)))
        with old.section(old.header.pieces) as known:
            digests = renewed(
                bytes(known), sorted(dirty), end, lambda start, stop: os.pread(descriptor, stop - start, start)
            )
        write_at(descriptor, digests, end)
        header = _placed(header, sections, digests)
        write_at(descriptor, header.pack(), 0)
        proved()
    return header


def _sections(end: int, sizes: Sequence[int]) -> list[FileSection]:
    sections = []
    for size in sizes:
        sections.append(FileSection(aligned(end), size))
        end = sections[-1].end
    return sections


def _placed(header: Header, sections: Sequence[FileSection], digests: bytes) -> Header:
    """Return the header with sections and digest; `digests` are those of the file's pieces."""
    table, records, claims, catalogue, pieces = sections
    header = replace(
        header,
        table=table,
        records=records,
        claims=claims,
        catalogue=catalogue,
        pieces=FileSection(pieces.offset, len(digests)),
        digest=bytes(32),
    )
    return replace(header, digest=overall(header.pack(), digests))


def _digests(parts: Sequence[Sequence[Octets]], sections: Sequence[FileSection]) -> bytes:
    pieces = Pieces()
    for octets in _padded(parts, sections):
        pieces.update(octets)
    return pieces.finish()


def _padded(
    parts: Sequence[Sequence[Octets]], sections: Sequence[FileSection], end: int = HEADER_SIZE
) -> Iterator[Octets]:
    for part, section in zip(parts, sections, strict=True):
        yield bytes(section.offset - end)
        yield from part
        end = section.end


def _copy(old: Ruleset, descriptor: int, end: int) -> None:
    """Copy a file up to `end`, within the kernel; file systems with reflinks share the octets on the disk."""
    with open_kept(old.path) as file:
        if file.read(HEADER_SIZE) != old.octets[:HEADER_SIZE]:
            raise RulesetError(f"{old.path} was replaced meanwhile")
        done = 0
        try:
            while done < end:
                copied = os.copy_file_range(file.fileno(), descriptor, end - done, done, done)
                if not copied:
                    break
                done += copied
        except OSError:  # not supported by the file system: write the rest
            pass
    with memoryview(old.octets) as octets:
        write_at(descriptor, octets[done:end], done)
