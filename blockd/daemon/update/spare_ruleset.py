"""Keeps a spare copy of the ruleset in force, so that a change need not wait for it to be copied and verified."""

from __future__ import annotations

import asyncio
import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from blockd.daemon.update.child_process import give_way
from blockd.daemon.update.disk_room import DiskRoom
from blockd.errors import RulesetError
from blockd.ruleset import Ruleset
from blockd.ruleset.building.spare import Spare, make_spare

LEAST_SIZE = 16 << 20  # octets of a ruleset; smaller ones are copied in no time

log = logging.getLogger(__name__)


class SpareRuleset:
    """The spare copy in `folder`, if `room` on its disk is ample; `drop` may be called from any thread."""

    def __init__(self, folder: Path, room: DiskRoom | None, least: int = LEAST_SIZE) -> None:
        self._folder = folder
        self._room = room
        self._least = least
        self._base: Path | None = None  # what it is, or will be, a copy of
        self._making: asyncio.Task[None] | None = None
        self._made: Spare | None = None
        self._wanted = threading.Event()  # set while what is made, or being made, is needed
        self._lock = threading.Lock()  # held while these change
        if room is not None:
            room.drop_prepared = self.drop

    def prepare(self, ruleset: Ruleset | None) -> None:
        """Have a ruleset copied in the background, unless that was begun; what is there of another one is deleted."""
        base = ruleset.path if ruleset is not None else None
        if base == self._base:
            return
        self.drop()
        if ruleset is None or self._room is None:
            return
        size = ruleset.header.pieces.end
        if size < self._least or not self._room.is_ample_with(size):
            return
        with self._lock:
            self._base, self._wanted = base, threading.Event()
            self._wanted.set()
        self._making = asyncio.create_task(self._make(ruleset.path, self._wanted, self._making))

    async def take(self, base: Path | None) -> Spare | None:
        """Return the copy of the ruleset at `base`, which then is the caller's; None if there is none."""
        if base is None or base != self._base:
            return None
        if self._making is not None:
            await asyncio.wait([self._making])
        with self._lock:
            made, self._made = self._made, None
            self._base = None
        return made

    def drop(self) -> None:
        """Delete the copy, or stop making it."""
        with self._lock:
            self._wanted.clear()
            made, self._made = self._made, None
            self._base = None
        if made is not None:
            made.path.unlink(missing_ok=True)

    async def close(self) -> None:
        """Delete the copy, and wait until none is being made."""
        self.drop()
        if self._making is not None:
            await asyncio.wait([self._making])

    async def _make(self, base: Path, wanted: threading.Event, before: asyncio.Task[None] | None) -> None:
        if before is not None:
            await asyncio.wait([before])  # it has been told to stop
        with ThreadPoolExecutor(1, initializer=give_way) as pool:
            try:
                spare = await asyncio.get_running_loop().run_in_executor(
                    pool, make_spare, base, self._folder, wanted.is_set
                )
            except (RulesetError, OSError) as error:
                log.debug("No spare copy of %s is kept: %s.", base, error)
                return
        with self._lock:
            if wanted.is_set():
                self._made = spare
                return
        spare.path.unlink(missing_ok=True)
