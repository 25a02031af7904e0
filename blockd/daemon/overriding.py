"""Local overrides while the daemon runs: added and ended by the operator, enforced at once, and accounted for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from blockd.daemon.audit import Accounts
from blockd.errors import BadName, CommandError, FeedRefused
from blockd.feeds.overrides import KEPT, MAX_TEXT, Override, new_override, override_key, read_overrides, write_overrides
from blockd.names import DomainName
from blockd.orders.document import time_from_text, time_text
from blockd.ruleset.guard import Guard


class Overriding:
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
        now, reason = self._clock(), asked["reason"].strip()
        if not reason or len(reason) > MAX_TEXT or not reason.isprintable():
            raise CommandError(f"To end an override needs a reason, one line of at most {MAX_TEXT} characters.")
        async with self._changing:
            known = self._read()
            try:
                name = DomainName(override_key(asked["name"])).text
            except BadName as error:
                raise CommandError(f"{asked['name']!r} is no name: {error.reason}; nothing was changed.") from error
            found = next((one for one in known if one.name == name and not one.is_over(now)), None)
            if found is None:
                raise CommandError(f"{name} is not overridden; nothing was changed.")
            ended = replace(found, ended=int(now), ended_reason=reason)
            return await self._changed("override-ended", [ended if one is found else one for one in known], ended)

    def told(self) -> list[dict[str, object]]:
        """Give the overrides that have not ended, for the status."""
        try:
            return [told_of(one, self._clock()) for one in read_overrides(self._path) if not one.is_over(self._clock())]
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
