"""The octets of a list in a file: plain or packed, bounded, and refused if they are not a text list."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Callable, Iterator
from io import FileIO
from pathlib import Path

from blockd.errors import FeedRefused, FeedUnreachable
from blockd.formats.line import BOM
from blockd.formats.packed.foreign import foreign_form
from blockd.formats.packed.forms import Unpacking, unpacking_of_file
from blockd.formats.packed.gunzip import PIECE

MAX_NUL_SHARE = 0.01  # a text has none; a list with a few damaged lines is still taken
_HEAD = 64 * 1024  # octets examined before the first is yielded: more than precedes a page's first tag
_PACKED_PIECE = 64 * 1024  # octets of an archive unpacked at a time
_PAGE_STARTS = (b"<!doctype html", b"<html", b"<head", b"<?xml")  # XML is the error page of object stores

Progress = Callable[[int, int], None]  # octets of the file read so far, octets in all


def open_regular(path: Path) -> FileIO:
    """Open a regular file to read, or a link to one, without ever waiting for a pipe or device.

    Raises FeedRefused("missing") if there is none and FeedUnreachable if it cannot be read.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise FeedRefused("missing", f"{path} is not a regular file: nothing is taken. Put the list itself there.")
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise cannot_read(path, error) from error
    return os.fdopen(descriptor, "rb", buffering=0)


def cannot_read(path: Path, error: OSError) -> FeedRefused:
    """Return the error for a list's file that cannot be read."""
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        return FeedRefused("missing", f"{path} does not exist: nothing is taken. Put it back, or remove the feed.")
    return FeedUnreachable(f"{path} cannot be read ({error.strerror}): nothing is taken. Let blockd's user read it.")


@contextlib.contextmanager
def open_body(
    path: Path, max_size: int, progress: Progress | None = None, source: str = ""
) -> Iterator[Iterator[bytes]]:
    """Yield the content of a list's file in pieces of bounded size, unpacked if it is gzip, xz or zst.

    `source` names the list in refusals; if empty, its path does. Opening raises as `open_regular` does. Reading raises
    FeedRefused: html, binary, cut (the archive ends early), format (the archive is damaged), too large (over `max_size`
    octets when unpacked, or far larger than packed); binary and cut are known for sure only at the end, so all that was
    yielded before must then be discarded.
    """
    source = source or str(path)
    with open_regular(path) as file:
        yield _checked(_pieces(file, path, progress, source), source, max_size)


def _pieces(file: FileIO, path: Path, progress: Progress | None, source: str) -> Iterator[bytes]:
    size = os.fstat(file.fileno()).st_size
    done = 0
    unpacking: Unpacking | None = None
    try:
        while data := file.read(PIECE if unpacking is None else _PACKED_PIECE):
            if done == 0:
                unpacking = unpacking_of_file(data, source)
            done += len(data)
            if unpacking is None:
                yield data
            else:
                yield from unpacking.feed(data)
            if progress is not None:
                progress(done, size)
    except OSError as error:
        raise cannot_read(path, error) from error
    if unpacking is not None and not unpacking.complete:
        raise FeedRefused("cut", f"{source} ends in the middle of its archive: nothing of it is taken. Get it again.")


def _checked(pieces: Iterator[bytes], source: str, max_size: int) -> Iterator[bytes]:
    size = nuls = 0
    for piece in _with_head(pieces):
        nuls += piece.count(b"\0")
        if size == 0:
            _refuse_page(piece, source)
            _refuse_foreign(piece, source)
            _refuse_binary(nuls, len(piece), source)
        size += len(piece)
        if size > max_size:
            raise FeedRefused(
                "too large",
                f"{source} holds more than {max_size:,} bytes, the feed's limit: nothing of it is taken. "
                "Raise the feed's max_size if the list is really that large.",
            )
        yield piece
    _refuse_binary(nuls, size, source)


def _with_head(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Join the first pieces until there are enough octets to examine."""
    head = b""
    for piece in pieces:
        head += piece
        if len(head) >= _HEAD:
            yield head
            break
    else:
        if head:
            yield head
    yield from pieces


def _refuse_page(head: bytes, source: str) -> None:
    start = head.removeprefix(BOM).lstrip()[: len(_PAGE_STARTS[0])].lower()
    if start.startswith(_PAGE_STARTS):
        raise FeedRefused(
            "html", f"{source} is a web page, not a list: nothing of it is taken. Open its source in a browser."
        )


def _refuse_foreign(head: bytes, source: str) -> None:
    if (found := foreign_form(head, source)) is not None:
        what, remedy = found
        raise FeedRefused("binary", f"{source} is {what}, not a text list: nothing of it is taken. {remedy}")


def _refuse_binary(nuls: int, size: int, source: str) -> None:
    if nuls > size * MAX_NUL_SHARE:
        raise FeedRefused(
            "binary", f"{source} is not a text, {nuls / size:.1%} of it are NULs: nothing of it is taken."
        )
