"""Reading rulesets through now and then: a disk may lose octets without a change of size and times.

The one in force is read first, then those that blockd would go back to. It is done by a thread that gives way to all
else, within a share of a processor and of the disk, and ends in time, however slow the disk is.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from blockd.daemon.ruleset_switcher import RulesetSwitcher
from blockd.daemon.timing import Timing
from blockd.daemon.update.child_process import LEAST, give_way
from blockd.errors import DamagedRuleset, RulesetError
from blockd.files import descriptor_of_kept
from blockd.ruleset import Versions
from blockd.ruleset.digest import PIECE, read_through

FIRST = 60.0  # seconds after the start
EVERY = 43_200.0  # seconds from the begin of one pass to that of the next: with its time, less than a day
SHARE = 0.01  # of the time that is spent with reading and hashing
PASS = 21_600.0  # seconds that a pass takes at most, unless the disk itself is slower
SPARES = 3  # versions beside the one in force: the pinned one, and the newest

log = logging.getLogger(__name__)


class Scrub:
    """Reads through the versions kept. `damaged` is told of each that is damaged, and why."""

    def __init__(
        self,
        versions: Versions,
        switcher: RulesetSwitcher,
        timing: Timing,
        damaged: Callable[[int, str], None],
    ) -> None:
        self._versions = versions
        self._switcher = switcher
        self._timing = timing
        self._damaged = damaged
        self._right_at: dict[int, float] = {}  # when a version was last found to be right, by the monotonic clock

    def age(self, version: int) -> float | None:
        """Return the seconds since a version was read through and was right; None if it was not since the start."""
        at = self._right_at.get(version)
        return None if at is None else self._timing.monotonic() - at

    async def run(self) -> None:
        """Read them through for ever."""
        pause = FIRST
        while True:
            await self._timing.sleep(pause)
            begun = self._timing.monotonic()
            await self.look()
            pause = max(0.0, EVERY - (self._timing.monotonic() - begun))

    async def look(self) -> None:
        """Read them through once."""
        wanted = await asyncio.to_thread(self._wanted)
        self._right_at = {version: at for version, at in self._right_at.items() if version in wanted}
        longest = PASS / max(1, sum(-(-size // PIECE) for size in wanted.values()))
        pool = ThreadPoolExecutor(1, initializer=partial(give_way, LEAST))
        try:
            for version in wanted:
                await self._read_through(version, longest, pool)
        finally:
            pool.shutdown(wait=False)  # a disk that does not answer must hold up nobody

    def _wanted(self) -> dict[int, int]:
        """Return the versions to be read, the most important first, and the sizes of their files."""
        try:
            kept = self._versions.all()
        except OSError:
            return {}
        order = [self._switcher.version, self._versions.pinned(), *reversed(kept)]
        found: dict[int, int] = {}
        for version in dict.fromkeys(order):
            if version in kept and len(found) <= SPARES:
                with contextlib.suppress(OSError):  # which was deleted meanwhile
                    found[version] = self._versions.ruleset(version).stat().st_size
        return found

    async def _read_through(self, version: int, longest: float, pool: ThreadPoolExecutor) -> None:
        """Read a version through, with a pause of at most `longest` seconds behind each piece."""
        loop = asyncio.get_running_loop()
        steps = self._steps(version)
        try:
            while True:
                begun = self._timing.monotonic()
                why = await loop.run_in_executor(pool, next, steps, None)
                if why is None:
                    self._right_at[version] = self._timing.monotonic()
                    return
                if why:
                    self._damaged(version, why)
                    return
                await self._timing.sleep(min((self._timing.monotonic() - begun) / SHARE, longest))
        except (RulesetError, OSError) as error:
            is_in_force = version == self._switcher.version
            if isinstance(error, DamagedRuleset) or (isinstance(error, RulesetError) and is_in_force):
                self._damaged(version, str(error))
            elif isinstance(error, OSError) and error.errno == errno.EIO:
                self._damaged(version, f"the disk fails to read it: {error.strerror}")
            else:
                log.debug("Version %d is not read through: %s.", version, error)

    def _steps(self, version: int) -> Iterator[str]:
        """Yield what is wrong with each piece of a version, see `read_through`; its file is closed at the end."""
        record = self._versions.record(version)
        enforced = self._switcher.enforced
        is_in_force = enforced is not None and enforced.version == version
        known = enforced.ruleset.digest if enforced is not None and is_in_force else record.digest if record else ""
        file = descriptor_of_kept(self._versions.ruleset(version), os.O_RDONLY)
        try:
            if not is_in_force:
                os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)  # what is on the disk counts, not what was read
            for why in read_through(file, known):
                yield why
                if not is_in_force:  # what nobody uses must not take the place of what is used
                    os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(file)
