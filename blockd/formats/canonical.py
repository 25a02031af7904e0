"""Readers of the canonical text of a list's names, and of the text of its changes (`blockd.orders.name_list`).

A line of changes is `+name` or `-name`; the names ascend as in the list itself, each once.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import chain
from operator import lt

from blockd.errors import FeedRefused
from blockd.printable import unproved

MAX_NAME_TEXT = 253  # characters: 255 octets on the wire (RFC 1035 section 2.3.4) less the first length and the root
UNTAKEN = "nothing of it is taken. Tell the authority."
_NAME_OCTETS = b"abcdefghijklmnopqrstuvwxyz0123456789._-"
_CHANGE = re.compile(rb"[+-][a-z0-9._-]{1,253}")
_ADDED = ord("+")


class CanonicalNames:
    """Checks the text of a list that comes in pieces; `count` is the number of names so far.

    It checks what changes rely on: the octets, the lengths and the order. Names are parsed one by one when they are
    compiled.
    """

    def __init__(self, source: str) -> None:
        self.count = 0
        self._source = source
        self._last = b""

    def checked(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        """Yield the text as whole lines; raises FeedRefused: `format`, or `cut` in the middle of a line."""
        for block in whole_lines(pieces, self._source, MAX_NAME_TEXT):
            if odd := block.translate(None, _NAME_OCTETS + b"\n"):
                raise self._refused(f"it has octets that no name has, {unproved(odd)}")
            names = block.split(b"\n")
            names.pop()
            if len(max(names, key=len)) > MAX_NAME_TEXT:
                raise self._refused("it has a name that is too long")
            if not all(map(lt, chain((self._last,), names), names)):
                raise self._refused("its names do not ascend, or one is repeated or empty")
            self._last = names[-1]
            self.count += len(names)
            yield block

    def _refused(self, what: str) -> FeedRefused:
        return FeedRefused(
            "format", f"{self._source} is not a canonical list: {what}, after {self.count:,} names; {UNTAKEN}"
        )


def read_changes(pieces: Iterable[bytes], source: str) -> Iterator[tuple[bytes, bool]]:
    """Yield each name that was added or removed, and whether it was added; raises FeedRefused: `format`, `cut`."""
    last = b""
    for block in whole_lines(pieces, source, MAX_NAME_TEXT + 1):
        for line in block[:-1].split(b"\n"):
            name = line[1:]
            if not _CHANGE.fullmatch(line) or name <= last:
                raise FeedRefused(
                    "format",
                    f'{source} has the line "{unproved(line)}", which is not a change, or out of order; {UNTAKEN}',
                )
            last = name
            yield name, line[0] == _ADDED


def whole_lines(pieces: Iterable[bytes], source: str, longest: int) -> Iterator[bytes]:
    """Yield blocks of whole lines with their line feeds; lines longer than `longest` are never accumulated.

    Raises FeedRefused: `format` for such a line if a piece ends in it, `cut` if the last line has no line feed.
    """
    rest = b""
    for piece in pieces:
        end = piece.rfind(b"\n") + 1
        if end:
            yield rest + piece[:end]
            rest = piece[end:]
        else:
            rest += piece
        if len(rest) > longest:
            raise FeedRefused("format", f'{source} has a line that is too long, "{unproved(rest)}"; {UNTAKEN}')
    if rest:
        raise FeedRefused("cut", f'{source} ends in the middle of a line, "{unproved(rest)}"; {UNTAKEN}')
