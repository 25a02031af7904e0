"""The apex of a zone in a file: the owner of its SOA record, wherever that stands.

Some servers and tools write the records of a zone sorted by name, so that rules come before the SOA record.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from blockd.formats.rejects import RejectReport
from blockd.formats.rpz.record_text import RecordText, typed_words
from blockd.formats.rpz.tokens import name_key
from blockd.formats.rpz.zone import PLAIN


@dataclass(frozen=True, slots=True)
class Apex:
    """A zone's name as a key, and the origin of the relative names that precede every $ORIGIN."""

    zone: bytes
    origin: bytes


def find_apex(blocks: Iterable[bytes], source: str) -> Apex | None:
    """Return the apex of a zone, given its text; None if its SOA record comes first, or if it has none.

    The text is read up to the SOA record. Raises FeedRefused as `RecordText.read` does.
    """
    search = _Search()
    try:
        search.read(blocks, source)
    except _Found as found:
        return found.apex
    return None


class _Found(Exception):
    """The SOA record is found."""

    def __init__(self, apex: Apex | None) -> None:
        self.apex = apex
        super().__init__()


class _Search(RecordText):
    """Follows owners and origins; raises _Found at the SOA record."""

    def __init__(self) -> None:
        super().__init__(RejectReport())
        self._origin: bytes | None = b""
        self._origin_is_known = False
        self._owner = b""  # as text
        self._owner_origin: bytes | None = b""
        self._is_first = True

    def take_plain(self, line: bytes, number: int) -> bool:
        """Take a line with a CNAME record."""
        match = PLAIN.fullmatch(line)
        if match is None:
            return False
        self._own(match[1])
        self._is_first = False
        return True

    def take(self, words: list[bytes], number: int, shown: bytes, *, is_blank: bool) -> None:
        """Take any other record, or a directive."""
        if not is_blank:
            if words[0].upper() == b"$ORIGIN" and len(words) == 2:
                origin, self._origin = self._origin, None
                self._origin = name_key(words[1], origin)
                self._origin_is_known = True
            if words[0][:1] == b"$":
                return
            self._own(words[0])
            words = words[1:]
        is_first, self._is_first = self._is_first, False
        _, typed = typed_words(words)
        if typed[0].upper() in (b"SOA", b"TYPE6"):
            zone = name_key(self._owner, self._owner_origin)
            is_relative = self._owner != b"@" and self._owner[-1:] != b"."
            guessed = b"" if is_relative else zone
            raise _Found(None if is_first else Apex(zone, b"" if self._origin_is_known else guessed))

    def _own(self, owner: bytes) -> None:
        self._owner, self._owner_origin = owner, self._origin
