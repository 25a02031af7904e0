"""The folder of rulesets: each version kept, one of them current.

rulesets/000017.ruleset    what was compiled
rulesets/000017.orders     the states of its orders while it is enforced
rulesets/current           the number of the version in force
"""

from __future__ import annotations

import re
from pathlib import Path

from blockd.errors import RulesetError
from blockd.ruleset.replace import replace_file

_FILE = re.compile(r"(\d{6,12})\.ruleset", re.ASCII)
_MARK = re.compile(rb"\s*(\d{1,12})\s*")


class Versions:
    """The folder at `folder`; one that is missing holds nothing."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def all(self) -> list[int]:
        """Give the numbers of the versions kept, the oldest first."""
        try:
            names = [path.name for path in self.folder.iterdir()]
        except FileNotFoundError:
            return []
        return sorted(int(match[1]) for name in names if (match := _FILE.fullmatch(name)))

    def current(self) -> int | None:
        """Give the number of the version in force; None where there never was one or the mark is damaged."""
        try:
            with (self.folder / "current").open("rb") as file:
                mark = _MARK.fullmatch(file.read(32))
        except OSError:
            return None
        return int(mark[1]) if mark else None

    def ruleset(self, version: int) -> Path:
        """Give the path of a version's ruleset file."""
        return self.folder / f"{version:06}.ruleset"

    def states(self, version: int) -> Path:
        """Give the path of a version's order states."""
        return self.folder / f"{version:06}.orders"

    def add(self, compiled: Path) -> int:
        """Take a compiled file, which must lie in the same file system, as the next version; give its number."""
        version = max([*self.all(), self.current() or 0]) + 1
        compiled.rename(self.ruleset(version))
        return version

    def make_current(self, version: int) -> None:
        """Mark a version as the one in force; raises RulesetError where its file is missing."""
        if not self.ruleset(version).exists():
            raise RulesetError(f"version {version} is not kept in {self.folder}")
        replace_file(self.folder / "current", b"%d\n" % version)

    def drop(self, version: int) -> None:
        """Delete a version that cannot be enforced."""
        self.ruleset(version).unlink(missing_ok=True)
        self.states(version).unlink(missing_ok=True)

    def prune(self, keep: int) -> None:
        """Delete all but the newest `keep` versions and the current one."""
        current = self.current()
        versions = self.all()
        for version in versions[: max(0, len(versions) - keep)]:
            if version != current:
                self.drop(version)
