"""The room on the state folder's disk: what is kept when it gets short, and in which order things are given up.

One place decides; whoever writes asks it.

ample   everything is kept
low     history stops: kept versions are given up, the oldest first, and what the gate refused is not kept
short   evidence stops as well: records of the audit log wait in memory, and no statement is made
full    the reserve is given up: its octets are for the ruleset, the states and the feeds' contents, so that orders,
        overrides and their endings are enforced

Each stage begins where the one before has not helped, and ends as soon as there is room again.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
from collections.abc import Callable
from enum import IntEnum
from pathlib import Path

from blockd.feeds.budget import octets_text
from blockd.files import descriptor_of_kept

RESERVE = "reserve"  # the file in the state folder whose octets are there for enforcement
LOW = 512 << 20  # octets free, or a quarter of the disk if that is less: then history stops
SHORT = 128 << 20  # octets free, or an eighth of it: then evidence stops
LEAST_NEWS = 64 << 10  # octets that the state beside the next ruleset takes
FULL = 1 << 20  # octets free, or a 64th of it, or fewer than the next ruleset needs: then the reserve is given up
LEAST_RESERVE = 4 << 20  # octets, or a sixteenth of the disk if that is less
FEW_FILES = 64  # inodes: a version and what the feeds keep take some each; fewer left are none
LOOKS = 5.0  # seconds between two looks

log = logging.getLogger(__name__)

Usage = Callable[[Path], tuple[int, int]]
"""Returns the octets of a folder's disk: in all, and those that this process may still write."""


class Level(IntEnum):
    """How much room there is."""

    AMPLE = 0
    LOW = 1
    SHORT = 2
    FULL = 3


def disk_of(folder: Path) -> tuple[int, int]:
    """Return the octets of a folder's disk, and those of them that are free."""
    usage = shutil.disk_usage(folder)
    return usage.total, usage.free


def has_files_left(folder: Path) -> bool:
    """Return whether the disk of a folder lets this process make more files (inodes); true if it does not limit them.

    Raises OSError.
    """
    found = os.statvfs(folder)
    return not found.f_files or found.f_favail >= FEW_FILES


class DiskRoom:
    """The room in the state folder at `folder`.

    `spare` gives up a part of the history, and returns whether there was any; `ruleset` is the size of the ruleset in
    force, and so of the next one.
    """

    def __init__(
        self,
        folder: Path,
        usage: Usage = disk_of,
        *,
        spare: Callable[[], bool] = lambda: False,
        ruleset: Callable[[], int] = lambda: 0,
        has_files: Callable[[Path], bool] = has_files_left,
    ) -> None:
        self._reserve = folder / RESERVE
        self._folder = folder
        self._usage = usage
        self._spare = spare
        self._ruleset = ruleset
        self._has_files = has_files
        self._told = Level.AMPLE
        self.drop_prepared: Callable[[], object] = lambda: None  # deletes what was only made ahead

    @property
    def total(self) -> int:
        """The octets of the disk; 0 if they cannot be told."""
        return self._now()[0]

    @property
    def free(self) -> int:
        """The octets that are free; those of the reserve are not."""
        return self._now()[1]

    @property
    def level(self) -> Level:
        """How much room there is now; a disk that cannot be asked counts as ample."""
        total, free = self._now()
        if not total:
            return Level.AMPLE
        if self.lacks_files:
            return Level.FULL
        for level, octets, share in ((Level.FULL, FULL, 64), (Level.SHORT, SHORT, 8), (Level.LOW, LOW, 4)):
            if free < min(octets, total // share):
                return level
        return Level.AMPLE

    @property
    def lacks_files(self) -> bool:
        """Whether no more files can be made on the disk, however many octets are free."""
        try:
            return not self._has_files(self._folder)
        except OSError:
            return False

    @property
    def takes_news(self) -> bool:
        """Whether the next ruleset can be written: new orders and overrides, and endings of overrides, need one."""
        total, free = self._now()
        room = free + self._reserved()
        return not total or (not self.lacks_files and room >= self._next_ruleset() + LEAST_NEWS)

    def what_is_left(self) -> str:
        """Return as a clause what is left of the disk."""
        if self.lacks_files:
            return f"no more files can be made on the disk of {self._folder} (inodes)"
        return f"{octets_text(self.free)} of {octets_text(self.total)} are free on the disk of {self._folder}"

    def in_force(self) -> str:
        """Return what is enforced while the disk is full."""
        if self.takes_news:
            return "all of it; orders and overrides are enforced, new ones as well"
        return "what was in force, with the dates of its orders; new orders and overrides cannot be enforced"

    def is_ample_with(self, octets: int) -> bool:
        """Return whether there would still be ample room if so many octets more were written."""
        total, free = self._now()
        return free - octets >= min(LOW, total // 4)

    @property
    def keeps_history(self) -> bool:
        """Whether versions, refused contents and the like are kept to go back to."""
        return self.level < Level.LOW

    def no_evidence(self) -> str:
        """Say why no evidence is written; empty if it is."""
        if self.level < Level.SHORT:
            return ""
        if self.lacks_files:
            return f"{self.what_is_left()}; remove some files"
        total, free = self._now()
        return (
            f"{octets_text(free)} are free on the disk of {self._folder}, and what is left below "
            f"{octets_text(min(SHORT, total // 8))} is for enforcement; free some space"
        )

    def look(self) -> Level:
        """Delete what must be, or fill the reserve again; return the level then. It may wait for the disk."""
        if self.level >= Level.LOW:
            self.drop_prepared()
        while self.level >= Level.LOW and self._spare():
            pass
        if self.level is Level.FULL or (self.level >= Level.LOW and self.free < self._next_ruleset() + FULL):
            self.open_reserve()
        elif self.level is Level.AMPLE:
            self._fill()
        level = self.level
        if level is not self._told:
            self._tell(level)
            self._told = level
        return level

    def open_reserve(self) -> None:
        """Delete the reserve, so that enforcement has its octets."""
        with contextlib.suppress(OSError):
            self._reserve.unlink(missing_ok=True)

    def _fill(self) -> None:
        """Take the reserve's octets, if that leaves ample room."""
        total, _ = self._now()
        wanted = min(max(LEAST_RESERVE, self._next_ruleset() + LEAST_RESERVE), total // 16)
        size = self._reserved()
        if size >= wanted or not self.is_ample_with(wanted - size):
            return
        try:
            descriptor = descriptor_of_kept(self._reserve, os.O_WRONLY | os.O_CREAT)
            try:
                os.posix_fallocate(descriptor, 0, wanted)
            finally:
                os.close(descriptor)
        except OSError as error:
            log.debug("No room can be reserved on the disk of %s: %s.", self._folder, error)
            self.open_reserve()

    def _next_ruleset(self) -> int:
        """Return the octets that the next ruleset may take."""
        return self._ruleset() * 5 // 4

    def _reserved(self) -> int:
        """Return the octets of the reserve; 0 if it is given up."""
        try:
            return self._reserve.lstat().st_size
        except OSError:
            return 0

    def _now(self) -> tuple[int, int]:
        try:
            return self._usage(self._folder)
        except OSError:
            return 0, 0

    def _tell(self, level: Level) -> None:
        free = octets_text(self.free)
        if level is Level.AMPLE:
            log.warning("There is room again on the disk of %s: %s. History and evidence are kept.", self._folder, free)
        elif level is Level.LOW:
            log.warning(
                "The disk of %s is nearly full: %s are free. Old versions are given up; all else goes on.",
                self._folder, free,
            )  # fmt: skip
        else:
            log.error(
                "The disk is full: %s. In force: %s. Old versions are given up, and the audit log waits in memory. %s.",
                self.what_is_left(), self.in_force(), "Remove files" if self.lacks_files else "Free some space",
            )  # fmt: skip
