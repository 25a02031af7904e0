# cython: annotation_typing=False
"""The records of a zone file's text, put together from their lines (RFC 1035 section 5.1).

A record may take several lines between parentheses; it has the number of the first. An error costs one record.
"""

from __future__ import annotations

from collections.abc import Iterable

from blockd.errors import BadName, FeedRefused
from blockd.formats.line import BOM, MAX_LINE
from blockd.formats.rejects import RejectReport
from blockd.formats.rpz.tokens import tokens_of, ttl_of

TINY = 8  # octets of a record's text over all its lines, up to which it may be known from before
MAX_TINY = 1 << 16  # of these are remembered: some ten megabytes
MAX_RECORD = 64 * 1024  # octets of a record's text over all its lines: more than its data can have
_OTHER_CLASSES = (b"CH", b"CS", b"HS", b"ANY", b"NONE")
_IN = (b"IN", b"CLASS1")  # CLASS1 by RFC 3597 section 5
_USUAL = frozenset((b"A", b"AAAA", b"CNAME", b"TXT", b"NS", b"PTR", b"MX", b"SRV"))  # types
_SEMICOLON, _BLANK = b"; "
_NOTHING = (b"", b";")  # what a line begins with that has nothing, or only a comment


class RecordText:
    """Reads a zone's text and hands its records to `take`; counts lines and what is rejected in `rejects`."""

    def __init__(self, rejects: RejectReport) -> None:
        self._rejects = rejects
        self._depth = 0
        self._broken = False  # whether a part of the record was rejected already
        self._words: list[bytes] = []  # of the record that is not complete yet
        self._is_blank = False  # whether it began with a blank, and so has the owner of the one before
        self._start = 0  # the number of its first line
        self._shown = b""
        self._size = 0
        self._text = b""  # all of its lines; empty if it is not tiny
        self._breaks: dict[bytes, str] = {}  # tiny beginnings of records that cannot go on, and why

    def read(self, blocks: Iterable[bytes], source: str) -> None:
        """Read blocks of whole lines; raises FeedRefused("cut") if a record is not complete at the end."""
        rejects = self._rejects
        for block in blocks:
            number = rejects.lines
            for line in block[:-1].split(b"\n"):
                number += 1
                if not line:
                    continue
                if not self._depth:
                    first = line[0]
                    if first == _SEMICOLON or (first <= _BLANK and _has_nothing(line)) or self.take_plain(line, number):
                        continue
                self._read_line(line.removeprefix(BOM) if number == 1 else line, number)
            rejects.lines = number
        if self._depth:
            raise FeedRefused(
                "cut",
                f"{source} ends within the parentheses that line {self._start:,} opens: it was cut off, and nothing of "
                "it is taken. Get it again.",
            )

    def take_plain(self, line: bytes, number: int) -> bool:
        """Take a line that is a whole record by itself, if that is easy to see; return whether it was."""
        raise NotImplementedError

    def take(self, words: list[bytes], number: int, shown: bytes, *, is_blank: bool) -> None:
        """Take the words of a whole record or directive, which begins on line `number`; `shown` is that line.

        `is_blank` says whether it begins with a blank. Raises BadName if it is rejected.
        """
        raise NotImplementedError

    def take_known(self, text: bytes, number: int, shown: bytes) -> bool:
        """Take or reject a record or directive of at most TINY octets as it was before; return whether it is known.

        `text` is all of its lines, the first of which is `shown`.
        """
        return False

    def note_rejected(self, text: bytes, reason: str, *, was_taken: bool) -> None:
        """Note that a record or directive of at most TINY octets was rejected, by `take` or before."""

    def _read_line(self, line: bytes, number: int) -> None:
        """Parse a line, which is a part of a record, or all of it."""
        is_whole = not self._depth
        if is_whole:
            self._words = []
            self._is_blank = line[:1] in (b" ", b"\t")
            self._start, self._shown, self._size, self._broken = number, line, 0, False
            self._text = line if len(line) <= TINY else b""
        elif self._text:
            self._text = b"%b\n%b" % (self._text, line) if len(self._text) + len(line) < TINY else b""
            if self._text in self._breaks:
                self._rejects.add(self._breaks[self._text], self._start, self._shown)
                self._broken, self._words, self._text = True, [], b""
                return
        was_taken = False
        try:
            if len(line) > MAX_LINE and not line.lstrip().startswith(b";"):
                raise BadName("too long")
            words, self._depth = tokens_of(line, self._depth)
            if not self._broken:
                self._size += len(line)
                if self._size > MAX_RECORD:
                    raise BadName("too long")
                self._words += words
            if self._words and not self._depth:
                if not is_whole and self._text and self.take_known(self._text, self._start, self._shown):
                    return
                was_taken = True
                self.take(self._words, self._start, self._shown, is_blank=self._is_blank)
        except BadName as error:
            if not self._broken:
                self._rejects.add(error.reason, self._start, self._shown)
                if self._text and not self._depth:
                    self.note_rejected(self._text, error.reason, was_taken=was_taken)
                elif self._text and len(self._breaks) < MAX_TINY:
                    self._breaks[self._text] = error.reason
            self._broken, self._words, self._text = True, [], b""


def _has_nothing(line: bytes) -> bool:
    """Return whether a line is blank or a comment; a very long one may be and is not told."""
    return len(line) <= MAX_LINE and line.lstrip()[:1] in _NOTHING


def typed_words(words: list[bytes]) -> tuple[int | None, list[bytes]]:
    """Return a record's own TTL or None, and its words from the type on, given its words without the owner.

    TTL and class may come in either order, and both may be left out. Raises BadName: no type, class is not IN, bad TTL.
    """
    if words and words[0] in _USUAL:
        return None, words
    ttl: int | None = None
    for place, word in enumerate(words):
        found = ttl_of(word) if ttl is None else None
        if found is not None:
            ttl = found
            continue
        upper = word.upper()
        if upper in _IN:
            continue
        if upper in _OTHER_CLASSES or upper.startswith(b"CLASS"):
            raise BadName("class is not IN")
        return ttl, words[place:]
    raise BadName("no type")
