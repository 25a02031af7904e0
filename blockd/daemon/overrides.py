"""Local overrides while the daemon runs: added and ended by the operator, enforced at once, and accounted for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from blockd.daemon.audit import Accounts
from blockd.errors import CommandError, FeedRefused
from blockd.feeds.overrides import KEPT, Override, end_override, new_override, read_overrides, write_overrides
from blockd.orders.document import time_from_text, time_text
from blockd.ruleset.guard import Guard


class OverrideService:
    """The overrides in the file at `path`; `enforce` looks at it and gives what came of that, as a refresh does."""

    def __init__(
        self,
        path: Path,
        authority: str,
        accounts: Accounts,
        enforce: Callable[[], Awaitable[Mapping[str, Any]]],
        clock: Callable[[], float],
        guard: Guard,
    ) -> None:
        self._path = path
        self._authority = authority
        self._accounts = accounts
        self._enforce = enforce
        self._clock = clock
        self._guard = guard
        self._changing = asyncio.Lock()

    async def add(self, asked: Mapping[str, str]) -> dict[str, object]:
        """Override a name: `name`, `reason`, `until`, and perhaps `scope` and `as`. Raises CommandError."""
        now = self._clock()
        try:
            until = time_from_text(asked["until"])
        except ValueError as error:
            raise CommandError(
                f"{asked['until']!r} is no date such as 2026-12-31 or 2026-12-31T18:00:00Z; nothing was changed."
            ) from error
        async with self._changing:
            kept = [one for one in self._read() if not one.is_over(now - KEPT)]
            made = new_override(
                kept, name=asked["name"], scope=asked.get("scope", "both"), reason=asked["reason"], until=until,
                officer=asked.get("as", ""), authority=self._authority, now=now,
                guard=self._guard,
            )  # fmt: skip
            return await self._changed("override", [*kept, made], made)

    async def end(self, asked: Mapping[str, str]) -> dict[str, object]:
        """End the override of a name now: `name` and `reason`. Raises CommandError."""
        async with self._changing:
            known = self._read()
            ended = end_override(known, name=asked["name"], reason=asked["reason"], now=self._clock())
            return await self._changed("override-ended", [ended if one.id == ended.id else one for one in known], ended)

    def told(self) -> list[dict[str, object]]:
        """Give the overrides that have not ended, for the status."""
        now = self._clock()
        try:
            return [told_of(one, now) for one in read_overrides(self._path) if not one.is_over(now)]
        except FeedRefused:
            return []  # the feed's refusal tells it

    async def _changed(self, kind: str, overrides: list[Override], changed: Override) -> dict[str, object]:
        try:
            await asyncio.to_thread(write_overrides, self._path, overrides)
        except OSError as error:
            raise CommandError(f"{self._path} cannot be written: {error}; nothing was changed.") from error
        told = told_of(changed, self._clock())
        recorded = {name: value for name, value in told.items() if name != "id"}
        self._accounts.overridden(kind, {**recorded, "order": changed.id})
        return {**told, **await self._enforce()}

    def _read(self) -> tuple[Override, ...]:
        try:
            return read_overrides(self._path)
        except FeedRefused as refused:
            raise CommandError(f"{refused} Nothing was changed.") from refused


def told_of(override: Override, now: float) -> dict[str, object]:
    """Give an override as plain values."""
    told: dict[str, object] = asdict(override)
    for name in ("created", "until", "ended"):
        told[name] = None if told[name] is None else time_text(float(str(told[name])))
    return {**told, "over": override.is_over(now)}
