"""A ruleset file from its parts: where each section goes, the padding between them, the digest over all."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from blockd.ruleset.catalogue import Catalogue
from blockd.ruleset.format import HEADER_SIZE, Header, Section, aligned
from blockd.ruleset.replace import replacing

Octets = bytes | bytearray | memoryview


def write_ruleset(
    path: Path, header: Header, catalogue: Catalogue, words: array[int], table: bytearray, records: Sequence[Octets]
) -> Header:
    """Make `path` hold a ruleset, replaced whole; `words` are the claims, `records` the last section in pieces.

    Gives the header as it was written: with sections and digest, whatever `header` had there.
    """
    parts: list[Sequence[Octets]] = [[catalogue.to_json()], [words.tobytes()], [table], records]
    sections = []
    offset = HEADER_SIZE
    for part in parts:
        offset = aligned(offset)
        sections.append(Section(offset, sum(len(piece) for piece in part)))
        offset = sections[-1].end
    catalogue_at, claims_at, table_at, records_at = sections
    header = replace(
        header, catalogue=catalogue_at, claims=claims_at, table=table_at, records=records_at, digest=bytes(32)
    )
    with replacing(path) as file, ThreadPoolExecutor(1) as beside:
        hashing = beside.submit(_digest, header, parts, sections)  # as long as writing: side by side they take half
        file.write(bytes(HEADER_SIZE))
        for piece in _padded(parts, sections):
            file.write(piece)
        header = replace(header, digest=hashing.result())
        file.seek(0)
        file.write(header.pack())
    return header


def _digest(header: Header, parts: Sequence[Sequence[Octets]], sections: Sequence[Section]) -> bytes:
    digest = hashlib.sha256(header.pack())
    for piece in _padded(parts, sections):
        digest.update(piece)
    return digest.digest()


def _padded(parts: Sequence[Sequence[Octets]], sections: Sequence[Section]) -> Iterator[Octets]:
    end = HEADER_SIZE
    for part, section in zip(parts, sections, strict=True):
        yield bytes(section.offset - end)
        yield from part
        end = section.end
