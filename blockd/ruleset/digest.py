"""The digest of a ruleset file, made of the digests of its pieces, so that unchanged pieces are not hashed again.

A piece is PIECE octets of the file, counted from its start; the first lacks the header, the last ends where the section
of the pieces' digests begins. The file's digest is SHA-256 over the header with the digest's own octets zero, followed
by that section. So it says what the whole file holds, as one over all octets would.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from mmap import mmap

from blockd.ruleset.format import DIGEST_OFFSET, HEADER_SIZE, Header

PIECE = 1 << 18  # octets: a change of some names hashes a few of them, and their digests take an eight-thousandth
SIZE = 32  # octets of a digest
_THREADS = 2  # for verifying: one alone is slower than memory
OTHER = "its digest is not the one that it was made with: it is another ruleset"
_FEW = 16  # pieces; fewer are not worth a second thread

Take = Callable[[int, bytes | memoryview], None]
"""Takes octets by their offset in the file, from several threads."""


def piece_count(end: int) -> int:
    """Return the number of pieces of a file whose section of digests begins at `end`."""
    return -(-end // PIECE)


def piece_range(index: int, end: int) -> tuple[int, int]:
    """Return where a piece begins and ends."""
    return max(index * PIECE, HEADER_SIZE), min((index + 1) * PIECE, end)


def overall(header: bytes, digests: bytes | bytearray | memoryview) -> bytes:
    """Return the digest of a file; `header` has zeros in its place."""
    digest = hashlib.sha256(header)
    digest.update(digests)
    return digest.digest()


class Pieces:
    """Hashes what follows the header, fed in portions of any size."""

    def __init__(self) -> None:
        self._at = HEADER_SIZE
        self._hash = hashlib.sha256()
        self.digests = bytearray()

    def update(self, octets: bytes | bytearray | memoryview) -> None:
        """Add the next octets."""
        with memoryview(octets) as view:
            done = 0
            while done < len(view):
                step = min(PIECE - self._at % PIECE, len(view) - done)
                self._hash.update(view[done : done + step])
                done += step
                self._at += step
                if self._at % PIECE == 0:
                    self._cut()

    def finish(self) -> bytes:
        """Return the digests of all pieces."""
        if self._at % PIECE:
            self._cut()
        return bytes(self.digests)

    def _cut(self) -> None:
        self.digests += self._hash.digest()
        self._hash = hashlib.sha256()


def is_sound(file: mmap, header: Header, take: Take | None = None) -> bool:
    """Return whether a whole file matches its digests. If it does, `take` has got all that follows the header.

    What `take` gets are the very octets that were hashed, whatever becomes of the file meanwhile.
    """
    pieces = header.pieces
    with memoryview(file) as octets, octets[pieces.offset : pieces.end] as digests:
        return (
            _is_whole(header, len(octets))
            and overall(_blank(file[:HEADER_SIZE]), digests) == header.digest
            and first_damaged(octets, pieces.offset, digests, take) is None
        )


def read_through(file: int, known: str = "") -> Iterator[str]:
    """Read a ruleset file, open for reading, piece by piece; yield what is wrong with each, empty for nothing.

    `known` is the digest that the file is known to have, hexadecimal, empty if none is. Raises OSError, and
    RulesetError for a header that cannot be used.
    """
    size = os.fstat(file).st_size
    octets = os.pread(file, HEADER_SIZE, 0)
    header = Header.unpack(octets, size)
    pieces = header.pieces
    digests = os.pread(file, pieces.size, pieces.offset) if _is_whole(header, size) else b""
    if not digests or overall(_blank(octets), digests) != header.digest:
        yield "its header, or the digests of its pieces, do not match its digest"
    elif known not in ("", header.digest.hex()):
        yield OTHER
    else:
        for index in range(piece_count(pieces.offset)):
            start, stop = piece_range(index, pieces.offset)
            found = hashlib.sha256(os.pread(file, stop - start, start)).digest()
            is_right = found == digests[index * SIZE : (index + 1) * SIZE]
            yield "" if is_right else f"its octets {start:,} to {stop:,} do not match their digest"


def _is_whole(header: Header, size: int) -> bool:
    pieces = header.pieces
    return pieces.end == size and pieces.size == piece_count(pieces.offset) * SIZE


def _blank(octets: bytes) -> bytes:
    """Return a header with zeros in place of its digest."""
    return octets[:DIGEST_OFFSET] + bytes(SIZE) + octets[DIGEST_OFFSET + SIZE :]


def first_damaged(octets: memoryview, end: int, digests: memoryview, take: Take | None = None) -> int | None:
    """Return the offset of the first piece that does not match `digests`, else None. Reads the whole file."""
    count = piece_count(end)

    def damaged(indices: Iterable[int]) -> int | None:
        for index in indices:
            start, stop = piece_range(index, end)
            piece = octets[start:stop] if take is None else bytes(octets[start:stop])
            if hashlib.sha256(piece).digest() != digests[index * SIZE : (index + 1) * SIZE]:
                return start
            if take is not None:
                take(start, piece)
        return None

    if count < _FEW:
        return damaged(range(count))
    with ThreadPoolExecutor(_THREADS) as pool:
        found = list(pool.map(damaged, (range(part, count, _THREADS) for part in range(_THREADS))))
    return min((start for start in found if start is not None), default=None)


def renewed(digests: bytes, dirty: Iterable[int], end: int, read: Callable[[int, int], bytes]) -> bytes:
    """Return the digests of a file that differs from one with `digests` in the pieces in `dirty` only.

    `read(start, stop)` returns octets of the new file. Pieces that the other file did not have must be in `dirty`.
    """
    made = bytearray(digests[: piece_count(end) * SIZE].ljust(piece_count(end) * SIZE, b"\0"))
    for index in dirty:
        made[index * SIZE : (index + 1) * SIZE] = hashlib.sha256(read(*piece_range(index, end))).digest()
    return bytes(made)
