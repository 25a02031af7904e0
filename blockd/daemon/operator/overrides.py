"""Local overrides while the daemon runs: added and ended by the operator, enforced at once, and recorded."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

from blockd.audit import AuditRecorder
from blockd.daemon.results import FeedOutcome, RefreshResult
from blockd.daemon.update.feed_set import FeedSet
from blockd.errors import BadName, CommandError, FeedRefused, cause_of
from blockd.feeds.overrides.file import (
    KEPT,
    Override,
    end_override,
    new_override,
    override_entry,
    read_overrides,
    write_overrides,
)
from blockd.feeds.signed.bundle import read_bundle
from blockd.orders import State
from blockd.ruleset import Enforced
from blockd.ruleset.explain import Explanation
from blockd.ruleset.gate.guard import Guard
from blockd.settings.feeds import OVERRIDES
from blockd.times import time_from_text, time_text


class Refresher(Protocol):
    """What polls feeds, see `blockd.daemon.update.updater.Updater`."""

    feeds: FeedSet

    async def refresh(self, names: Sequence[str] | None, /) -> RefreshResult:
        """Poll feeds now and enforce what is new."""

    async def make_room(self) -> None:
        """Make room on the disk for what is to be enforced, if it is full."""


class Enforcing(Protocol):
    """What enforces rulesets, see `blockd.daemon.ruleset_switcher.RulesetSwitcher`."""

    @property
    def enforced(self) -> Enforced | None:
        """What is enforced."""


@dataclass(frozen=True, slots=True)
class OverrideStatus:
    """An override, whether it has ended, and whether the ruleset in force has it, in force."""

    override: Override
    is_over: bool
    in_force: bool

    @classmethod
    def at(cls, override: Override, enforced: Enforced | None, now: float) -> OverrideStatus:
        """Return the status at a time, in seconds since the epoch, given what is enforced."""
        return cls(override, override.is_over(now), enforced is not None and holds(enforced, override))

    def to_json(self) -> dict[str, object]:
        """Return it as JSON values."""
        fields: dict[str, object] = asdict(self.override)
        for name in ("created", "until", "ended"):
            fields[name] = None if fields[name] is None else time_text(float(str(fields[name])))
        return {**fields, "over": self.is_over, "in_force": self.in_force}


def holds(enforced: Enforced, override: Override) -> bool:
    """Return whether what is enforced has an override, in force; raises RulesetError if the ruleset is damaged."""
    catalogue, states = enforced.ruleset.catalogue, enforced.states.states
    try:
        entry = override_entry(override.name, override.scope)
    except (BadName, KeyError):
        return False
    for index, claimed in enforced.ruleset.claims(entry.key):
        record = catalogue.orders[index]
        if (record.feed, record.order.id) == (OVERRIDES, override.id) and claimed & entry.scope == entry.scope:
            return states[index] == State.IN_FORCE
    return False


@dataclass(frozen=True, slots=True)
class OverrideResult:
    """Result of a change of overrides and of enforcing it; `version` is the one in force."""

    status: OverrideStatus
    outcome: FeedOutcome
    version: int | None
    before: Explanation | None = None  # of the name, before an override of it was added

    def to_json(self) -> dict[str, object]:
        """Return it as JSON values."""
        told = {**self.status.to_json(), **self.outcome.to_json(), "version": self.version}
        if self.before is not None:
            told["before"] = {"verdict": self.before.verdict, "why": self.before.why}
        return told


class OverrideService:
    """The overrides in the file at `path`, which is the internal feed that `updater` polls.

    `switcher` has what is enforced.
    """

    def __init__(
        self,
        path: Path,
        authority: str,
        recorder: AuditRecorder,
        updater: Refresher,
        switcher: Enforcing,
        guard: Guard,
        clock: Callable[[], float],
    ) -> None:
        self._path = path
        self._authority = authority
        self._recorder = recorder
        self._updater = updater
        self._switcher = switcher
        self._guard = guard
        self._clock = clock
        self._changing = asyncio.Lock()

    async def add(self, asked: Mapping[str, str], by: str = "") -> OverrideResult:
        """Override a name: `name`, `reason`, `until`, and perhaps `scope` and `as`. Raises CommandError."""
        now = self._clock()
        try:
            until = time_from_text(asked["until"])
        except ValueError as error:
            raise CommandError(
                f"expected a date such as 2026-12-31T18:00:00Z or 2026-12-31, got {asked['until']!r}. "
                "Nothing was changed."
            ) from error
        async with self._changing:
            kept = [one for one in self._read() if not one.ended_before(now - KEPT)]
            made = new_override(
                kept, name=asked["name"], scope=asked.get("scope", "both"), reason=asked["reason"], until=until,
                officer=asked.get("as", ""), authority=self._authority, now=now,
                guard=self._guard,
            )  # fmt: skip
            return await self._changed("override", [*kept, made], made, by)

    async def end(self, asked: Mapping[str, str], by: str = "") -> OverrideResult:
        """End the override of a name now: `name` and `reason`. Raises CommandError."""
        async with self._changing:
            known = self._read()
            ended = end_override(known, name=asked["name"], reason=asked["reason"], now=self._clock())
            changed = [ended if one.id == ended.id else one for one in known]
            return await self._changed("override-ended", changed, ended, by)

    def current(self) -> tuple[OverrideStatus, ...]:
        """Return the overrides that have not ended: those of the file, or if it is damaged those accepted last."""
        return tuple(one for one in self.known() if not one.is_over)

    def known(self) -> tuple[OverrideStatus, ...]:
        """Return those and the ones that have ended lately."""
        now = self._clock()
        try:
            known = read_overrides(self._path)
        except FeedRefused:  # reported by the feed's refusal
            known = self._accepted()
        return tuple(OverrideStatus.at(one, self._switcher.enforced, now) for one in known)

    def _accepted(self) -> tuple[Override, ...]:
        own = self._updater.feeds.own
        accepted = own.state.accepted if own is not None else None
        try:
            documents = read_bundle(accepted.path).documents if accepted is not None else ()
        except FeedRefused:
            return ()
        return tuple(Override.of(document) for document in documents)

    async def _changed(self, kind: str, overrides: list[Override], changed: Override, by: str) -> OverrideResult:
        try:
            await self._updater.make_room()
            await asyncio.to_thread(write_overrides, self._path, overrides)
        except OSError as error:
            raise CommandError(f"{self._path} cannot be written: {cause_of(error)}; nothing was changed.") from error
        status = OverrideStatus.at(changed, self._switcher.enforced, self._clock())
        recorded = {name: value for name, value in status.to_json().items() if name not in ("id", "in_force")}
        self._recorder.asked(kind, {**recorded, "order": changed.id}, by)
        result = await self._updater.refresh([OVERRIDES])
        status = OverrideStatus.at(changed, self._switcher.enforced, self._clock())
        return OverrideResult(status, result.feeds[OVERRIDES], result.version)

    def _read(self) -> tuple[Override, ...]:
        try:
            return read_overrides(self._path)
        except FeedRefused as refused:
            raise CommandError(f"{refused} Nothing was changed.") from refused
