"""Blocks of whole lines from a stream of octets, within bounds even if a line never ends."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from blockd.formats.line import MAX_LINE
from blockd.formats.rejects import RejectReport
from blockd.printable import unproved

KEPT = MAX_LINE + 2  # octets of a longer line: one too many, and one that may be a carriage return and is not counted


def open_end(rest: bytes) -> str:
    """Return the note about a list whose last line, `rest`, has no line feed."""
    return f'its last line, "{unproved(rest)}", has no line feed, and is taken as complete'


def read_blocks(pieces: Iterable[bytes], rejects: RejectReport | None = None) -> Iterator[bytes]:
    """Yield blocks of whole lines, line feeds included; a block is at most one piece and KEPT octets long.

    Of a line that runs over the end of a piece, KEPT octets are kept: enough for its reader to see that it is too long.
    A last line without a line feed gets one, and `rejects` a note: that the list is whole was seen when it was fetched.
    """
    rest = b""
    skipping = False
    for piece in pieces:
        if skipping:
            feed = piece.find(b"\n")
            if feed < 0:
                continue
            piece = piece[feed:]
            skipping = False
        end = piece.rfind(b"\n") + 1
        if end:
            yield rest + piece[:end]
            rest = piece[end:]
        else:
            rest += piece
        if len(rest) > KEPT:
            rest = rest[:KEPT]
            skipping = True
    if rest:
        if rejects is not None:
            rejects.warn(open_end(rest))
        yield rest + b"\n"
