"""What changes from one version kept to another, for the admin port: found by a child process, one at a time."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from blockd.daemon.answers.versions import not_kept
from blockd.errors import CommandError, RulesetError
from blockd.ruleset import Versions
from blockd.ruleset.versions.changes import held_changes

LIMIT = 200  # names, orders and entries held back that are told of each kind; all are counted
KEPT = 4  # results that are remembered: versions never change, and a page is asked for again

Differ = Callable[[Path, Path, int, Path | None], Awaitable[dict[str, Any]]]
"""Returns what changes from one ruleset file to another; see `blockd.daemon.update.diff_child.differences`."""


@dataclass(frozen=True, slots=True)
class VersionChanges:
    """What changes from the version `old` to `new`; `found` is as `blockd diff --json` tells it."""

    old: int
    new: int
    found: Mapping[str, Any]

    def to_json(self) -> dict[str, object]:
        """Return it as JSON values."""
        return {"old": self.old, "new": self.new, **self.found}


class VersionDiffer:
    """Compares versions, and remembers the last results; `popular` is the file of popular names."""

    def __init__(self, versions: Versions, differ: Differ, popular: Path | None) -> None:
        self._popular = popular
        self._versions = versions
        self._differ = differ
        self._turn = asyncio.Lock()
        self._known: OrderedDict[tuple[int, int], VersionChanges] = OrderedDict()

    async def compare(self, old: int, new: int) -> VersionChanges:
        """Return what changes; raises CommandError if a version is not kept, or is damaged."""
        self._must_be_kept(old, new)
        async with self._turn:
            if (old, new) not in self._known:
                self._known[old, new] = await self._compared(old, new)
            self._known.move_to_end((old, new))
            while len(self._known) > KEPT:
                self._known.popitem(last=False)
            return self._known[old, new]

    def _must_be_kept(self, *versions: int) -> None:
        kept = self._versions.all()
        for version in versions:
            if version not in kept:
                raise not_kept(version, kept)

    async def _compared(self, old: int, new: int) -> VersionChanges:
        paths = self._versions.ruleset(old), self._versions.ruleset(new)
        try:
            found = await self._differ(*paths, LIMIT, self._popular)
        except RulesetError as error:
            raise CommandError(f"{str(error)[:1].upper()}{str(error)[1:]}.") from error
        before, after = self._versions.held(old) or {}, self._versions.held(new) or {}
        return VersionChanges(old, new, {**found, "held": held_changes(before, after, LIMIT)})
