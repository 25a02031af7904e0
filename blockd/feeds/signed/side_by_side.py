"""Fetching the files of one look from two mirrors side by side.

The mirror that leads is asked first. Once a look has taken a second, the other is asked for the same file as well, and
whichever has it first gives it, and is asked first from then on: so a mirror that is slow, or that drips, delays a look
by a second and not by its time. What both give is verified alike, whoever gave it.
"""

from __future__ import annotations

import contextlib
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import IO

from tuf.api.exceptions import DownloadHTTPError, SlowRetrievalError

from blockd.feeds.signed.fetchers import BoundedFetcher, LookFetcher

PATIENCE = 1.0  # seconds of a look for which the mirror that leads is asked alone
_ROOT = ".root.json"  # how the names of roots end: that there is no newer one is an answer
_GONE = 404

_Result = tuple[int, IO[bytes] | Exception]
"""Which mirror has ended, and the file or why there is none."""


@dataclass(slots=True)
class MirrorLane:
    """One mirror in a look: `url` ends without a slash, `is_busy` says that it still sends an earlier file."""

    url: str
    fetcher: BoundedFetcher
    is_busy: threading.Event = field(default_factory=threading.Event)


class SideBySide(LookFetcher):
    """Fetches for TUF's client, which names files by the URL of the first of `lanes`.

    `has_used` says of each lane whether it gave a file, and `was_late` whether the second gave one before the first;
    `error` is why the first one did not, None if it was only slower.
    """

    def __init__(self, lanes: tuple[MirrorLane, MirrorLane], clock: Callable[[], float] = time.monotonic) -> None:
        self.lanes = lanes
        self.has_used = [False, False]
        self.was_late = False
        self.error: Exception | None = None  # why the first one did not give a file
        self._clock = clock
        self._begun = clock()
        self._leads = 0

    def close(self) -> None:
        """Release what files that were not read to their ends still hold; what a thread still fetches, it releases."""
        for lane in self.lanes:
            if not lane.is_busy.is_set():
                lane.fetcher.close()

    @contextlib.contextmanager
    def download_file(self, url: str, max_length: int) -> Iterator[IO[bytes]]:
        """Yield the file at `url`, whichever mirror has it first; raises DownloadError as the one asked first does."""
        with self._raced(url.removeprefix(self.lanes[0].url), max_length) as file:
            yield file

    def _fetch(self, url: str) -> Iterator[bytes]:
        with self._raced(url.removeprefix(self.lanes[0].url), self.limit or 0) as file:
            yield file.read()

    def _raced(self, path: str, max_length: int) -> IO[bytes]:
        ended: SimpleQueue[_Result] = SimpleQueue()
        race = _Race(ended)
        order = [self._leads, 1 - self._leads]
        waiting = [index for index in order if not self.lanes[index].is_busy.is_set()]
        errors: list[Exception] = []
        running = 0
        try:
            while waiting or running:
                if waiting and (not running or self._clock() >= self._begun + PATIENCE):
                    self._start(race, waiting.pop(0), path, max_length)
                    running += 1
                    continue
                try:
                    index, result = ended.get(timeout=self._left() if waiting else None)
                except Empty:
                    continue
                running -= 1
                if not isinstance(result, Exception):
                    return self._given(index, result)
                errors.append(result)
                if index == 0 and not _is_answer(path, result):
                    self.error = result
                if _is_answer(path, result):
                    break
        finally:
            race.end()
        raise errors[0] if errors else SlowRetrievalError(f"{path} was not sent: both mirrors still send another file")

    def _left(self) -> float:
        return max(self._begun + PATIENCE - self._clock(), 0.0)

    def _given(self, index: int, file: IO[bytes]) -> IO[bytes]:
        fetcher = self.lanes[index].fetcher
        self.first, self.last = fetcher.first, fetcher.last
        self.has_used[index] = True
        if index != self._leads:
            self._leads = index
            self.was_late |= index == 1
        return file

    def _start(self, race: _Race, index: int, path: str, max_length: int) -> None:
        lane = self.lanes[index]
        lane.is_busy.set()
        lane.fetcher.folder, lane.fetcher.limit = self.folder, self.limit
        run = threading.Thread(target=race.run, args=(index, lane, path, max_length), daemon=True)
        run.start()


class _Race:
    """One file that several mirrors are asked for; what comes after the first one is thrown away."""

    def __init__(self, ended: SimpleQueue[_Result]) -> None:
        self._ended = ended
        self._is_over = False
        self._lock = threading.Lock()

    def end(self) -> None:
        """Throw away what comes from now on."""
        with self._lock:
            self._is_over = True

    def run(self, index: int, lane: MirrorLane, path: str, max_length: int) -> None:
        """Fetch the file from one mirror, in a thread of its own."""
        result: IO[bytes] | Exception
        try:
            result = self._spooled(lane, path, max_length)
        except Exception as error:
            result = error
        lane.is_busy.clear()
        with self._lock:
            if not self._is_over:
                self._ended.put((index, result))
            elif not isinstance(result, Exception):
                result.close()

    @staticmethod
    def _spooled(lane: MirrorLane, path: str, max_length: int) -> IO[bytes]:
        file = tempfile.TemporaryFile(dir=lane.fetcher.folder)  # noqa: SIM115 - it outlives this function
        try:
            lane.fetcher.spool(f"{lane.url}{path}", max_length, file)
        except BaseException:
            file.close()
            raise
        return file


def _is_answer(path: str, error: Exception) -> bool:
    """Return whether an error says something that another mirror need not be asked about: there is no newer root."""
    return path.endswith(_ROOT) and isinstance(error, DownloadHTTPError) and error.status_code == _GONE
