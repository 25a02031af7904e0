"""The folder of rulesets: each version kept, one of them current.

rulesets/000017.ruleset    the compiled file
rulesets/000017.held.json  what the gate held back of it (`blockd.ruleset.gate.held_file`)
rulesets/000017.json       its origin and when it was enforced (`blockd.ruleset.versions.version_record`)
rulesets/000016.damaged    a ruleset that was found damaged, kept for whoever looks into that; one at most
rulesets/current           the number of the version in force
rulesets/pinned            the number of the version that an operator went back to, until released
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from pathlib import Path

from blockd.errors import CommandError, RulesetError
from blockd.files import open_kept, replace_file, sync_file, sync_folder
from blockd.ruleset.gate.guard_report import GuardReport
from blockd.ruleset.gate.held_file import read_reports
from blockd.ruleset.versions.version_record import VersionRecord

_FILE = re.compile(r"(\d{6,12})\.ruleset", re.ASCII)
_BESIDE = re.compile(r"(\d{6,12})\.(?:orders|json)", re.ASCII)
_MARK = re.compile(rb"\s*(\d{1,12})\s*")


def _remove(path: Path) -> None:
    """Remove whatever is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


class Versions:
    """The versions in `folder`; a missing folder holds none."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._used = 0  # see `note_used`

    def all(self) -> list[int]:
        """Return the numbers of the versions kept, the oldest first."""
        try:
            names = [path.name for path in self.folder.iterdir()]
        except FileNotFoundError:
            return []
        return sorted(int(match[1]) for name in names if (match := _FILE.fullmatch(name)))

    def current(self) -> int | None:
        """Return the number of the version in force; None if there is none or the mark is damaged."""
        return self._marked("current")

    def needed(self) -> int:
        """Return the number of the version in force; raises CommandError if there is none.

        Raises PermissionError if this user may not look.
        """
        if (version := self.current()) is None:
            with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                os.listdir(self.folder)  # noqa: PTH208 - raises at once
            raise CommandError(f"there is no ruleset in {self.folder} yet; `blockd run` makes the first one")
        return version

    def pinned(self) -> int | None:
        """Return the number of the pinned version; None if none is."""
        return self._marked("pinned")

    def ruleset(self, version: int) -> Path:
        """Return the path of a version's ruleset file."""
        return self.folder / f"{version:06}.ruleset"

    def record_path(self, version: int) -> Path:
        """Return the path of a version's record."""
        return self.folder / f"{version:06}.json"

    def held_path(self, version: int) -> Path:
        """Return the path of the record of what the gate held back of a version."""
        return self.folder / f"{version:06}.held.json"

    def held(self, version: int) -> dict[str, GuardReport] | None:
        """Return what the gate held back of a version, by feed; None if that is not recorded."""
        return read_reports(self.held_path(version))

    def record(self, version: int) -> VersionRecord | None:
        """Return a version's record; None if it is missing or damaged."""
        return VersionRecord.read(self.record_path(version))

    def with_content(self, content: str) -> int | None:
        """Return the newest version known to be made from `content` (`Catalogue.made_from`); None if there is none."""
        for version in reversed(self.all()):
            record = self.record(version)
            if content and record is not None and record.content == content:
                return version
        return None

    def add(self, compiled: Path) -> int:
        """Move a compiled file, which must be in the same file system, here as the next version; return its number."""
        known = [*self.all(), *(int(path.stem) for path in self.damaged()), self.current() or 0, self._used]
        version = max(known) + 1
        for path in (self.record_path(version), self.held_path(version)):
            path.unlink(missing_ok=True)  # of a ruleset file that was removed
        compiled.rename(self.ruleset(version))
        return version

    def make_current(self, version: int) -> None:
        """Mark a version as the one in force, after syncing it to the disk; raises RulesetError if it is missing.

        So after a loss of power the mark points to a complete file, of this version or an earlier one.
        """
        self._mark("current", version)

    def pin(self, version: int) -> None:
        """Pin a version; raises RulesetError if its file is missing."""
        self._mark("pinned", version)

    def release(self) -> None:
        """Remove the pin."""
        (self.folder / "pinned").unlink(missing_ok=True)
        sync_folder(self.folder)

    def drop(self, version: int) -> None:
        """Delete a version that cannot be enforced."""
        self.ruleset(version).unlink(missing_ok=True)
        self.record_path(version).unlink(missing_ok=True)
        self.held_path(version).unlink(missing_ok=True)

    def note_used(self, version: int) -> None:
        """Note that this number, and all below it, are taken, even if nothing of these versions is left."""
        self._used = max(self._used, version)

    def set_aside(self, version: int) -> None:
        """Keep a damaged ruleset as evidence, under another name and instead of an earlier one; raises OSError."""
        for path in self.damaged():
            _remove(path)
        self.ruleset(version).rename(self.folder / f"{version:06}.damaged")

    def damaged(self) -> list[Path]:
        """Return what was set aside."""
        return sorted(self.folder.glob("[0-9]*.damaged"))

    def sweep(self) -> None:
        """Delete what a process that was killed has left of versions whose ruleset is gone.

        States of orders lie in memory; a file of them is of an earlier blockd.
        """
        kept = set(self.all())
        for path in list(self.folder.iterdir()):
            match = _BESIDE.fullmatch(path.name)
            if match and (path.suffix == ".orders" or int(match[1]) not in kept):
                path.unlink(missing_ok=True)

    def _marked(self, mark: str) -> int | None:
        try:
            with open_kept(self.folder / mark) as file:
                found = _MARK.fullmatch(file.read(32))
        except OSError:
            return None
        return int(found[1]) if found else None

    def _mark(self, mark: str, version: int) -> None:
        if not self.ruleset(version).exists():
            raise RulesetError(f"version {version} is not kept in {self.folder}")
        sync_file(self.ruleset(version))
        replace_file(self.folder / mark, b"%d\n" % version)
