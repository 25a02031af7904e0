"""xz and zst as streams: compressed octets in, bounded pieces out, with a bound on the memory that unpacking takes.

xz is version 1.2.0 of its file format, and zst the frames of RFC 8878; each may be several streams or frames, one after
the other.
"""

from __future__ import annotations

import lzma
import sys
from collections.abc import Callable, Iterator
from typing import Any, Protocol

from blockd.errors import FeedRefused
from blockd.formats.packed.gunzip import PIECE

MAX_FRAMES = 10_000  # parallel packers make one for some megabytes; each costs 30 microseconds, also if it is empty
MEMORY = 128 << 20  # octets: twice what `xz -9` needs, and the largest window of zst that `zstd` unpacks without --long
_WINDOW_LOG = 27  # of zst: 2^27 octets, which is MEMORY


class Decompressor(Protocol):
    """What `lzma` and `compression.zstd` have in common."""

    @property
    def eof(self) -> bool:
        """Whether the frame has ended."""

    @property
    def needs_input(self) -> bool:
        """Whether nothing more comes of what was handed in."""

    @property
    def unused_data(self) -> bytes:
        """What was handed in behind the frame's end."""

    def decompress(self, data: bytes, max_length: int) -> bytes:
        """Return up to `max_length` octets of what `data`, and what was handed in before, unpacks to."""


def new_xz() -> Decompressor:
    """Return what unpacks one stream of xz; without the older lzma format, which has no check sum."""
    return lzma.LZMADecompressor(format=lzma.FORMAT_XZ, memlimit=MEMORY)


def new_zst() -> Decompressor:
    """Return what unpacks one frame of zst."""
    zstd = _zstd()
    made: Decompressor = zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: _WINDOW_LOG})
    return made


class Unframe:
    """Unpacks one file; `source` is its name in errors, `form` that of its format, `new` makes a decompressor.

    The contents of several frames are joined; NULs between and after them are padding (of xz, section 2.2).
    """

    def __init__(self, source: str, form: str, new: Callable[[], Decompressor]) -> None:
        self._source = source
        self._form = form
        self._new = new
        self._frame = new()
        self._frames = 1
        self.complete = False  # whether the file may end here

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Take the next octets and yield what they unpack to, PIECE octets at most at a time.

        Raises FeedRefused("format") if they are damaged, or unpacking them takes more than MEMORY.
        """
        while True:
            if self.complete:
                data = data.lstrip(b"\0")
                if not data:
                    return
                self._begin_frame()
            try:
                piece = self._frame.decompress(data, PIECE)
            except _errors() as error:
                raise self._damaged(error) from error
            if piece:
                yield piece
            self.complete = self._frame.eof
            data = self._frame.unused_data if self.complete else b""
            if not self.complete and self._frame.needs_input:
                return

    def _begin_frame(self) -> None:
        self._frames += 1
        if self._frames > MAX_FRAMES:
            what = f"is a damaged {self._form} archive (more than {MAX_FRAMES:,} frames)"
            raise self._refused(what, "Get it again.")
        self._frame = self._new()
        self.complete = False

    def _damaged(self, error: Exception) -> FeedRefused:
        if "emory" in str(error):  # both libraries say it in words only
            what = f"needs more than {MEMORY >> 20} MiB of memory to be unpacked from {self._form}"
            return self._refused(what, "Have it packed with the usual settings.")
        return self._refused(f"is a damaged {self._form} archive (its data or a check sum is wrong)", "Get it again.")

    def _refused(self, what: str, remedy: str) -> FeedRefused:
        return FeedRefused("format", f"{self._source} {what}: nothing of it is taken. {remedy}")


def _zstd() -> Any:
    """Return Python's module for zst, which is part of Python since 3.14; most commands never need it."""
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd
    return zstd


def _errors() -> tuple[type[Exception], ...]:
    """Return what the decompressors raise; that of zst only if it is in use."""
    module = sys.modules.get("compression.zstd") or sys.modules.get("backports.zstd")
    return (lzma.LZMAError, EOFError, module.ZstdError) if module is not None else (lzma.LZMAError, EOFError)
