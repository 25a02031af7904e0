"""gzip (RFC 1952) as a stream: compressed octets in, bounded pieces out; independent of files and sockets."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from blockd.errors import FeedRefused

MAGIC = b"\x1f\x8b"
PIECE = 256 * 1024  # octets yielded at a time, however well they were compressed
MAX_MEMBERS = 100_000  # block-wise writers make one per 64 KiB: 6 GiB; empty ones must not cost time without end
_GZIP_FORM = 31  # zlib: the largest window, with gzip's header and trailer


class Gunzip:
    """Unpacks one stream; `source` is its name in errors.

    The contents of several members are joined; NULs between and after them are padding.
    """

    def __init__(self, source: str) -> None:
        self._source = source
        self._member = zlib.decompressobj(_GZIP_FORM)
        self._members = 1
        self.complete = False  # whether the stream may end here

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Take the next octets and yield what they unpack to, PIECE octets at most at a time.

        Raises FeedRefused("format") if they are not gzip or a check sum is wrong.
        """
        while data:
            if self.complete:
                data = data.lstrip(b"\0")
                if not data:
                    return
                self._begin_member()
            try:
                piece = self._member.decompress(data, PIECE)
            except zlib.error as error:
                raise self._damaged("its data or a check sum is wrong") from error
            if piece:
                yield piece
            self.complete = self._member.eof
            data = self._member.unused_data if self.complete else self._member.unconsumed_tail

    def _begin_member(self) -> None:
        self._members += 1
        if self._members > MAX_MEMBERS:
            raise self._damaged(f"more than {MAX_MEMBERS:,} members")
        self._member = zlib.decompressobj(_GZIP_FORM)
        self.complete = False

    def _damaged(self, cause: str) -> FeedRefused:
        return FeedRefused(
            "format", f"{self._source} is a damaged gzip archive ({cause}): nothing of it is taken. Get it again."
        )
