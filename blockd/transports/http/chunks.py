# cython: annotation_typing=False, binding=False
"""A body that comes in chunks (RFC 9112 section 7.1); trailers are passed over, as are extensions of chunks."""

from __future__ import annotations

import re

from blockd.transports.http.limits import MAX_MESSAGE

MAX_LINE = 64  # octets of a line with a chunk's size, and of a trailer field
MAX_TRAILERS = 8  # fields behind a body; clients send none
MAX_CHUNKS = 64  # of one body: a question fits into one, and each costs a line to read

_SIZE = re.compile(rb"([0-9A-Fa-f]{1,8})(?:[ \t]*;[^\r\n]*)?")


class Chunks:
    """Collects a body; `refusal`, once it is not 0, is the status that says why it is not taken."""

    def __init__(self) -> None:
        self.body = bytearray()
        self.refusal = 0
        self.is_whole = False
        self._left = 0  # octets of the chunk that is coming, with the CRLF behind it
        self._chunks = 0
        self._trailers = -1  # of those, how many have come; -1 before the last chunk

    def take(self, octets: bytearray) -> None:
        """Take what is there of the body, and remove it from `octets`."""
        while not self.is_whole and not self.refusal:
            if self._left:
                if len(octets) < self._left:
                    return
                self.body += octets[: self._left - 2]
                if octets[self._left - 2 : self._left] != b"\r\n":
                    self.refusal = 400
                    return
                del octets[: self._left]
                self._left = 0
            end = octets.find(b"\r\n", 0, MAX_LINE)
            if end < 0:
                if len(octets) >= MAX_LINE:
                    self.refusal = 400
                return
            line = bytes(octets[:end])
            del octets[: end + 2]
            if self._trailers < 0:
                self._begin(line)
            elif not line:
                self.is_whole = True
            else:
                self._trailers += 1
                if self._trailers > MAX_TRAILERS:
                    self.refusal = 431

    def _begin(self, line: bytes) -> None:
        """Take the line before a chunk."""
        match = _SIZE.fullmatch(line)
        self._chunks += 1
        if match is None or self._chunks > MAX_CHUNKS:
            self.refusal = 400
            return
        size = int(match.group(1), 16)
        if len(self.body) + size > MAX_MESSAGE:
            self.refusal = 413
        elif size:
            self._left = size + 2
        else:
            self._trailers = 0
