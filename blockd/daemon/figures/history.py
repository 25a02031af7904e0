"""The history of rates and hits: counted in memory, written once a minute by a thread of its own, read from the file.

If it cannot be written nothing else is disturbed: rates wait in memory for a day, and hits stay in the counters, which
are marked in the file up to where it has them. A damaged file is set aside, and another one begun.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sqlite3
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from blockd.daemon.figures.history_file import DATABASE, HistoryFile, OrderName, RateRow
from blockd.daemon.figures.owner import owner_of_counters
from blockd.daemon.figures.totals import Totals, grown, kept
from blockd.errors import CommandError
from blockd.files import remove
from blockd.metrics import Counters

MAX_WAITING = 8640  # rows of 10 seconds that wait while nothing can be written: a day
DAMAGED = f"{DATABASE}.damaged"  # a damaged file is renamed to this; one that was there before is removed
# What is raised for what must not be in the file.
DAMAGE = (sqlite3.DatabaseError, ValueError, TypeError, OverflowError)
ALL_OTHERS: OrderName = ("", "other")  # the orders that have no counter of their own

log = logging.getLogger(__name__)

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class HitOwners:
    """Which order each slot belongs to, and the authorities of those that are enforced."""

    slots: Mapping[int, OrderName]
    authorities: Mapping[OrderName, str]


class History:
    """The history in `folder`, of the counters of all processes.

    `owners` returns whose slots are whose now; `is_short` whether the disk has no room for history.
    """

    def __init__(
        self,
        folder: Path,
        counters: Counters,
        owners: Callable[[], HitOwners],
        is_short: Callable[[], bool] = lambda: False,
        owner: str = "",
    ) -> None:
        self._path = folder / DATABASE
        self._counters = counters
        self._owners = owners
        self._is_short = is_short
        self._owner = owner or owner_of_counters()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="figures")
        self._file: HistoryFile | None = None
        self._waiting: deque[RateRow] = deque(maxlen=MAX_WAITING)
        self._last: tuple[float, float, Totals] | None = None  # what the newest row ends with
        self._known: Mapping[int, OrderName] = {}  # as of the last time that hits were written
        self.failure = ""  # why it cannot be written, a sentence
        self.damage = ""  # that a file was set aside, a sentence
        self.generation = 0  # how often it was written

    @property
    def trouble(self) -> str:
        """What an operator must know of now; empty if nothing."""
        return self.failure or self.damage

    def note(self, now: float, passed: float, totals: Totals) -> None:
        """Add what was counted since the last time; `now` is in seconds since the epoch.

        `passed` is of the monotonic clock, since the other one may be set meanwhile.
        """
        if self._last is not None:
            begun, before, old = self._last
            if passed > before:
                self._waiting.append(RateRow(int(begun), passed - before, tuple(kept(grown(old, totals)))))
        self._last = now, passed, totals

    async def write(self, now: float) -> None:
        """Write what is waiting, and the hits, as of `now`; a failure is told by `trouble`."""
        await self._in_thread(self._write, now, self._owners())

    async def read(self, reading: Callable[[HistoryFile], Result]) -> Result:
        """Return what `reading` returns of the file; raises CommandError if it cannot be read."""
        return await self._in_thread(self._read, reading)

    async def close(self, now: float) -> None:
        """Write the rest, and close the file."""
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.shield(asyncio.ensure_future(self.write(now)))
        self._thread.submit(self._close)
        self._thread.shutdown(wait=False)

    async def _in_thread(self, work: Callable[..., Result], *arguments: object) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, *arguments)

    def _read(self, reading: Callable[[HistoryFile], Result]) -> Result:
        for _ in range(2):
            try:
                return reading(self._opened())
            except sqlite3.OperationalError as error:
                raise CommandError(f"The history {self._path} cannot be read: {error}.") from error
            except OSError as error:
                raise CommandError(f"The history {self._path} cannot be read: {error}.") from error
            except DAMAGE as error:
                self._set_aside(error)
        raise CommandError(f"The history {self._path} cannot be read: {self.failure or self.damage}")

    def _write(self, now: float, owners: HitOwners) -> None:
        if self._is_short():
            return  # which the disk's own alarm tells
        rows = list(self._waiting)
        for _ in range(2):
            try:
                file = self._opened()
                with file.writing():
                    file.add_rates(rows)
                    self._write_hits(file, now, owners)
            except sqlite3.OperationalError as error:
                self._failed(str(error))
                return
            except DAMAGE as error:
                self._set_aside(error)
            except OSError as error:
                self._failed(str(error))
                return
            else:
                for row in rows:
                    if self._waiting and self._waiting[0] is row:
                        self._waiting.popleft()
                if self.failure:
                    log.warning("The history of figures can be written again.")
                self.failure, self._known = "", owners.slots
                self.generation += 1
                return

    def _write_hits(self, file: HistoryFile, now: float, owners: HitOwners) -> None:
        totals, marks = self._counters.all_hits(), file.marks(self._owner)
        counts: dict[OrderName, int] = {}
        for slot, total in enumerate(totals):
            if not total:
                continue
            name = owners.slots.get(slot, ALL_OTHERS)
            mark = marks[slot] if slot < len(marks) else 0
            if total < mark or (slot in self._known and self._known[slot] != name):
                mark = 0  # the slot has another owner, for whom it was set to zero
            if total > mark:
                counts[name] = counts.get(name, 0) + total - mark
        file.add_hits(now, counts, owners.authorities)
        file.mark(self._owner, totals)

    def _opened(self) -> HistoryFile:
        if self._file is not None and not self._file.is_in_place:
            log.warning("The history %s was replaced or removed while it was written; it is opened anew.", self._path)
            self._close()
        if self._file is None:
            self._file = HistoryFile.open(self._path)
        return self._file

    def _set_aside(self, error: Exception) -> None:
        """Move a damaged file away, so that another one is begun."""
        self._close()
        aside = self._path.with_name(DAMAGED)
        try:
            for suffix in ("", "-journal"):
                path = self._path.with_name(f"{self._path.name}{suffix}")
                remove(aside.with_name(f"{aside.name}{suffix}"), missing_ok=True)
                if path.exists() or path.is_symlink():
                    path.rename(aside.with_name(f"{aside.name}{suffix}"))
        except OSError as blocked:
            self._failed(f"it is damaged ({error}) and cannot be set aside: {blocked}")
            return
        self.damage = f"The history of figures was damaged ({error}) and set aside as {DAMAGED}; another one was begun."
        log.error("%s Enforcement does not depend on it.", self.damage)

    def _failed(self, why: str) -> None:
        sentence = f"The history of figures cannot be written: {why}. Enforcement goes on."
        if sentence != self.failure:
            log.error("%s", sentence)
        self.failure = sentence

    def _close(self) -> None:
        if self._file is not None:
            with contextlib.suppress(sqlite3.Error):
                self._file.close()
            self._file = None
