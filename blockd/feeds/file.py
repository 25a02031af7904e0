"""A list in a local file that another process may replace or rewrite at any time."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable
from pathlib import Path

from blockd.errors import FeedRefused, cause_of
from blockd.feeds.fetched import INCOMING, Fetched
from blockd.files import Stamp, replacing, stamp_from
from blockd.formats.body import cannot_read, open_regular
from blockd.formats.packed.forms import HEAD, is_packed

SETTLE = 1.0  # seconds without a change until a file counts as written
OPEN_SETTLE = 10  # times as long if its last line has no line feed: it may be one that is written slowly
_PIECE = 1024 * 1024  # octets copied at a time


class FileSource:
    """Watches one file; `clock` returns seconds that never go back, `now` seconds since the epoch."""

    def __init__(
        self,
        path: Path,
        max_size: int,
        clock: Callable[[], float],
        settle: float = SETTLE,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._path = path
        self._max_size = max_size
        self._clock = clock
        self._settle = settle
        self._wall_clock = now
        self._seen: Stamp | None = None
        self._seen_at = 0.0
        self._is_another = False  # than the one seen before
        self._taken: Stamp | None = None

    @property
    def settling(self) -> bool:
        """Whether the last poll saw a change that is not taken yet."""
        return self._seen != self._taken

    def forget(self) -> None:
        """Take the file again at the next poll, though it has not changed."""
        self._seen = self._taken = None

    def poll(self, folder: Path) -> Fetched | None:
        """Copy the file to `folder`/incoming if it has changed, and has then stayed the same for `settle` seconds.

        Returns None if there is nothing to take yet. A source's first poll sees a change. Raises FeedRefused at every
        poll while the file is missing, unreadable or over `max_size` octets; there is no `incoming` then. Blocks while
        it copies: call it from a thread.
        """
        try:
            return self._poll(folder / INCOMING)
        except FeedRefused:
            (folder / INCOMING).unlink(missing_ok=True)
            self.forget()  # so that the same file is taken again if it is restored
            raise
        except OSError as error:  # reading errors are FeedRefused by now
            self.forget()
            raise FeedRefused(
                "fault", f"{folder / INCOMING} cannot be written ({cause_of(error)}): nothing is taken."
            ) from error

    def _poll(self, incoming: Path) -> Fetched | None:
        try:
            stamp = stamp_from(self._path.stat())
        except OSError as error:
            raise cannot_read(self._path, error) from error
        if stamp == self._taken:
            return None
        now = self._clock()
        if stamp != self._seen:
            self._is_another = self._seen is not None and stamp[3:] != self._seen[3:]
            self._seen = stamp
            self._seen_at = now
        # What sets the one time back, as rsync and `cp -p` do, changes the other. Renaming changes that one too: a file
        # that has taken another's place has rested since it was written to, wherever it was then.
        changed = (stamp[0] if self._is_another else max(stamp[:2])) / 1e9
        rested = max(now - self._seen_at, self._wall_clock() - changed)  # one written long ago need not be watched
        if rested < self._settle or (rested < self._settle * OPEN_SETTLE and _is_open(self._path)):
            return None
        return self._copy(incoming, stamp)

    def _copy(self, incoming: Path, stamp: Stamp) -> Fetched | None:
        digest = hashlib.sha256()
        size = 0
        with open_regular(self._path) as source, replacing(incoming) as target:
            while piece := self._read(source.fileno()):
                size += len(piece)
                if size > self._max_size:
                    raise FeedRefused(
                        "too large",
                        f"{self._path} is larger than {self._max_size:,} bytes, the feed's limit: nothing of it is "
                        "taken. Raise the feed's max_size if the list is really that large.",
                    )
                digest.update(piece)
                target.write(piece)
            after = stamp_from(os.fstat(source.fileno()))
        if after != stamp:
            incoming.unlink()
            self._seen = after
            self._seen_at = self._clock()
            return None
        self._taken = stamp
        return Fetched(incoming, digest.hexdigest(), stamp[0] // 1_000_000_000)

    def _read(self, descriptor: int) -> bytes:
        try:
            return os.read(descriptor, _PIECE)
        except OSError as error:
            raise cannot_read(self._path, error) from error


def _is_open(path: Path) -> bool:
    """Return whether a file is text whose last line has no line feed."""
    with open_regular(path) as file:
        if is_packed(file.read(HEAD)) or not file.seek(0, os.SEEK_END):
            return False
        file.seek(-1, os.SEEK_END)
        return file.read(1) != b"\n"
