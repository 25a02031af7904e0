"""Blocks of whole lines from a stream of octets, within bounds even if a line never ends."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from blockd.errors import FeedRefused
from blockd.formats.line import MAX_LINE
from blockd.printable import unproved

KEPT = MAX_LINE + 2  # octets of a longer line: one too many, and one that may be a carriage return and is not counted


def read_blocks(pieces: Iterable[bytes], source: str) -> Iterator[bytes]:
    """Yield blocks of whole lines, line feeds included; a block is at most one piece and KEPT octets long.

    Of a line that runs over the end of a piece, KEPT octets are kept: enough for its reader to see that it is too long.
    Raises FeedRefused("cut") at the end of `source` if the last line has no line feed: the names yielded before are
    then part of an incomplete list, and must be discarded.
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
        raise FeedRefused(
            "cut",
            f'{source} ends in the middle of a line, "{unproved(rest)}": it was cut off, and nothing of it is taken. '
            "Get it again, or end its last line with a line feed if it is complete.",
        )
