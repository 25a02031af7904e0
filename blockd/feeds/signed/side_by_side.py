"""Fetching the files of one look from two mirrors side by side.

One mirror is asked first. Once a look has waited a second for it in vain, the other is asked for the same file as well;
whichever has it first gives it and is asked first from then on, and the other's connection is cut. So a mirror that is
slow, or that drips, delays a look by a second and not by its time. What both give is verified alike.
"""

from __future__ import annotations

import contextlib
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from queue import Empty, SimpleQueue
from typing import IO

from tuf.api.exceptions import DownloadHTTPError, SlowRetrievalError

from blockd.feeds.signed.fetchers import BoundedFetcher, LookFetcher

PATIENCE = 1.0  # seconds of a look in which one mirror is waited for alone
FREE = 0.1  # seconds of each file that do not count: a long look at a mirror that is fast needs no other
_SETTLING = 0.1  # seconds in which a thread whose connection was cut usually ends
_ROOT = ".root.json"  # how the names of roots end: that there is no newer one is an answer
_GONE = (403, 404)  # servers of objects answer 403 for what is not there

_Result = tuple[int, IO[bytes] | Exception]
"""Which mirror has ended, and the file or why there is none."""


def _set_event() -> threading.Event:
    event = threading.Event()
    event.set()
    return event


@dataclass(slots=True)
class MirrorLane:
    """One mirror in a look: `url` ends without a slash; `is_idle` is set unless a thread still uses `fetcher`."""

    url: str
    fetcher: BoundedFetcher
    is_idle: threading.Event = field(default_factory=_set_event)


class SideBySide(LookFetcher):
    """Fetches for TUF's client, which names files by the URL of the first of `lanes`.

    `giver` is the lane that gave the last file, `was_late` says whether the second gave one before the first, and
    `error` is why the first did not, None if it was only slower.
    """

    def __init__(self, lanes: tuple[MirrorLane, MirrorLane], clock: Callable[[], float] = time.monotonic) -> None:
        self.lanes = lanes
        self.giver = 0
        self.was_late = False
        self.error: Exception | None = None
        self._clock = clock
        self._patience = PATIENCE
        self._leads = 0
        for lane in lanes:
            lane.is_idle.wait(_SETTLING)

    def close(self) -> None:
        """Release what files that were not read to their ends still hold; what a thread still fetches, it releases."""
        for lane in self.lanes:
            if lane.is_idle.is_set():
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
        begun = self._clock()
        due = begun + FREE + self._patience
        race = _Race()
        waiting = [index for index in (self._leads, 1 - self._leads) if self.lanes[index].is_idle.is_set()]
        running: list[int] = []
        errors: list[Exception] = []
        try:
            while waiting or running:
                if waiting and (not running or self._clock() >= due):
                    running.append(waiting.pop(0))
                    self._start(race, running[-1], path, max_length)
                    continue
                try:
                    index, result = race.ended.get(timeout=max(due - self._clock(), 0.0) if waiting else None)
                except Empty:
                    continue
                running.remove(index)
                if not isinstance(result, Exception):
                    return self._given(index, result)
                errors.append(result)
                if _is_answer(path, result):
                    self._note(index)
                    break
                if index == 0:
                    self.error = self.error or result
        finally:
            self._patience -= min(max(self._clock() - begun - FREE, 0.0), self._patience)
            race.end()
            for index in running:
                self.lanes[index].fetcher.connections.cut()
        self.giver = 0
        raise errors[0] if errors else SlowRetrievalError(f"{path} was not sent: both mirrors still send another file")

    def _given(self, index: int, file: IO[bytes]) -> IO[bytes]:
        fetcher = self.lanes[index].fetcher
        self.first, self.last = fetcher.first, fetcher.last
        self._note(index)
        return file

    def _note(self, index: int) -> None:
        """Note which lane has answered; it is asked first from now on."""
        self.giver = index
        self.was_late |= index == 1 != self._leads
        self._leads = index

    def _start(self, race: _Race, index: int, path: str, max_length: int) -> None:
        lane = self.lanes[index]
        lane.is_idle.clear()
        lane.fetcher.folder, lane.fetcher.limit = self.folder, self.limit
        lane.fetcher.connections.begin()
        run = partial(race.run, index, lane, path, max_length)
        try:
            threading.Thread(target=run, name=f"mirror {lane.url}", daemon=True).start()
        except RuntimeError:  # this machine has no room for a thread now
            run()


class _Race:
    """One file that mirrors are asked for; `ended` has what they gave until the race is over."""

    def __init__(self) -> None:
        self.ended: SimpleQueue[_Result] = SimpleQueue()
        self._is_over = False
        self._lock = threading.Lock()

    def end(self) -> None:
        """Throw away what was not taken, and what comes from now on."""
        with self._lock:
            self._is_over = True
        while not self.ended.empty():
            _throw_away(self.ended.get()[1])

    def run(self, index: int, lane: MirrorLane, path: str, max_length: int) -> None:
        """Fetch the file from one mirror, in a thread of its own."""
        result: IO[bytes] | Exception
        try:
            result = _spooled(lane, path, max_length)
        except Exception as error:
            result = error
        lane.is_idle.set()
        with self._lock:
            if self._is_over:
                _throw_away(result)
            else:
                self.ended.put((index, result))


def _spooled(lane: MirrorLane, path: str, max_length: int) -> IO[bytes]:
    file = tempfile.TemporaryFile(dir=lane.fetcher.folder)  # noqa: SIM115 - it outlives this function
    try:
        lane.fetcher.spool(f"{lane.url}{path}", max_length, file)
    except BaseException:
        file.close()
        raise
    return file


def _throw_away(result: IO[bytes] | Exception) -> None:
    if not isinstance(result, Exception):
        result.close()


def _is_answer(path: str, error: Exception) -> bool:
    """Return whether an error says something that another mirror need not be asked about: there is no newer root."""
    return path.endswith(_ROOT) and isinstance(error, DownloadHTTPError) and error.status_code in _GONE
