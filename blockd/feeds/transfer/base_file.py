"""A base file while it is written: a whole zone as it is received."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from blockd.errors import FeedRefused
from blockd.feeds.transfer.content import BASE, ZoneContent
from blockd.files import replacing, sync_folder

_NEW = f"{BASE}new"


class BaseFile:
    """A zone's text in a temporary file, which is renamed when the block of `base_in` ends without an error."""

    def __init__(self, file: BinaryIO, max_size: int) -> None:
        self._file = file
        self._max_size = max_size
        self._digest = hashlib.sha256()
        self.octets = 0  # of text that were written
        self._records = 0

    def write(self, text: bytes) -> None:
        """Append lines; raises FeedRefused("too large")."""
        self.octets += len(text)
        if self.octets > self._max_size:
            raise too_large(self._max_size)
        self._records += text.count(b"\n")
        self._digest.update(text)
        self._file.write(text)

    def sync(self) -> None:
        """Sync what was written to the disk; it may take long, so call it from a thread."""
        self._file.flush()
        os.fsync(self._file.fileno())

    def content(self, soa: str, serial: int) -> ZoneContent:
        """Return the description of the zone that was written."""
        digest = self._digest.hexdigest()
        return ZoneContent(soa, serial, f"{BASE}{digest[:32]}", self.octets, self._records, soa, digest)


@contextlib.contextmanager
def base_in(folder: Path, max_size: int) -> Iterator[BaseFile]:
    """Yield a new base in `folder` to write to."""
    with replacing(folder / _NEW) as file:
        base = BaseFile(file, max_size)
        yield base
    (folder / _NEW).replace(folder / base.content("", 0).base)
    sync_folder(folder)


def too_large(max_size: int) -> FeedRefused:
    """Return the refusal of a zone over its limit."""
    return FeedRefused(
        "too large", f"it is larger than {max_size:,} bytes, the feed's limit; raise max_size if the zone is that large"
    )
