"""The forms in which a list may be packed, told by how its file begins or by a Content-Encoding, not by its name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

from blockd.errors import FeedRefused
from blockd.formats.packed import gunzip
from blockd.formats.packed.frames import Unframe, new_xz, new_zst
from blockd.formats.packed.gunzip import Gunzip

MAX_RATIO = 1000  # by which a list may be packed: names pack to a tenth, numbered ones to a hundredth; gzip has no more
FREE = 64 << 20  # octets unpacked that are not compared with the packed size: a moment's work


class Unpacker(Protocol):
    """Unpacks a stream; `complete` says whether it may end here."""

    complete: bool

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Take the next octets and yield what they unpack to in bounded pieces; raises FeedRefused("format")."""


_FORMS: tuple[tuple[str, bytes, Callable[[str], Unpacker]], ...] = (
    ("gzip", gunzip.MAGIC, Gunzip),
    ("xz", b"\xfd7zXZ\0", lambda source: Unframe(source, "xz", new_xz)),
    ("zst", b"\x28\xb5\x2f\xfd", lambda source: Unframe(source, "zst", new_zst)),
)
HEAD = max(len(magic) for _, magic, _ in _FORMS)
"""Octets at the beginning of a file by which `is_packed` tells its form."""

# The registry of IANA (RFC 9110 section 16.6) has gzip, x-gzip and zstd; servers are seen to say xz.
_CODINGS = {"gzip": "gzip", "x-gzip": "gzip", "zstd": "zst", "xz": "xz", "x-xz": "xz"}
CODINGS = frozenset(_CODINGS)
"""The codings of a Content-Encoding that are read."""


class Unpacking:
    """A stream that is being unpacked, within MAX_RATIO."""

    def __init__(self, unpacker: Unpacker, source: str) -> None:
        self._unpacker = unpacker
        self._source = source
        self._packed = self._unpacked = 0

    @property
    def complete(self) -> bool:
        """Whether the stream may end here."""
        return self._unpacker.complete

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Take the next octets and yield what they unpack to in bounded pieces.

        Raises FeedRefused: format if they are damaged, "too large" if they unpack to too much.
        """
        self._packed += len(data)
        for piece in self._unpacker.feed(data):
            self._unpacked += len(piece)
            if self._unpacked > FREE and self._unpacked > self._packed * MAX_RATIO:
                raise FeedRefused(
                    "too large",
                    f"{self._source} unpacks to more than {MAX_RATIO:,} times its size, which no list of names does: "
                    "nothing of it is taken. Look at what its source publishes.",
                )
            yield piece


def is_packed(head: bytes) -> bool:
    """Return whether a file that begins with `head` is packed in a form that is read."""
    return any(head.startswith(magic) for _, magic, _ in _FORMS)


def unpacking_of_file(head: bytes, source: str) -> Unpacking | None:
    """Return what unpacks a file that begins with `head`; None if it is not packed."""
    for _, magic, new in _FORMS:
        if head.startswith(magic):
            return Unpacking(new(source), source)
    return None


def unpacking_of_coding(coding: str, source: str) -> Unpacking:
    """Return what undoes one of CODINGS."""
    [new] = [new for name, _, new in _FORMS if name == _CODINGS[coding]]
    return Unpacking(new(source), source)
