"""Entries that the operator lets through while the daemon runs: enforced at once, kept, and recorded.

A release changes the gate, so all is compiled again from what was accepted. A pinned version stays as it is; a release
takes effect when the pin ends.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

from blockd.audit import AuditRecorder
from blockd.daemon.results import FeedOutcome
from blockd.daemon.update.current_gate import CurrentGate
from blockd.errors import CommandError, cause_of
from blockd.ruleset.gate.release import Release, held_again, read_releases, released, write_releases
from blockd.times import time_text

log = logging.getLogger(__name__)


class GateUser(Protocol):
    """What compiles with a gate, see `blockd.daemon.update.updater.Updater`."""

    async def gate_changed(self) -> FeedOutcome:
        """Compile what was accepted with the gate of now, and enforce it."""

    @property
    def version(self) -> int | None:
        """The version in force."""


@dataclass(frozen=True, slots=True)
class ReleaseResult:
    """Result of a change of releases and of enforcing it; `version` is the one in force."""

    release: Release
    ended_reason: str  # empty for a release that has begun
    outcome: FeedOutcome
    version: int | None

    def to_json(self) -> dict[str, object]:
        """Return it as JSON values."""
        return {
            **release_json(self.release),
            "over": bool(self.ended_reason),
            "ended_reason": self.ended_reason,
            **self.outcome.to_json(),
            "version": self.version,
        }


def release_json(release: Release) -> dict[str, object]:
    """Return a release as JSON values."""
    return {**asdict(release), "created": time_text(release.created)}


class ReleaseService:
    """The releases in the state folder; `gate` lets them through, and `user` enforces it.

    `trouble` says why what the file lets through is held back all the same, empty if it is not.
    """

    def __init__(
        self, folder: Path, gate: CurrentGate, recorder: AuditRecorder, user: GateUser, clock: Callable[[], float],
        trouble: str = "",
    ) -> None:  # fmt: skip
        self._folder = folder
        self._gate = gate
        self._recorder = recorder
        self._user = user
        self._clock = clock
        self._changing = asyncio.Lock()
        self.trouble = trouble

    async def release(self, asked: Mapping[str, str], by: str = "") -> ReleaseResult:
        """Let an entry through: `name`, `reason`, and perhaps `as`. Raises CommandError, and nothing was changed."""
        async with self._changing:
            known = read_releases(self._folder)
            made = released(
                known, entry=asked["name"], reason=asked["reason"], officer=asked.get("as", ""), now=self._clock()
            )
            return await self._changed("gate-release", [*known, made], made, by=by)

    async def hold(self, asked: Mapping[str, str], by: str = "") -> ReleaseResult:
        """End a release: `name` and `reason`. Raises CommandError, and nothing was changed."""
        async with self._changing:
            known = read_releases(self._folder)
            over, reason = held_again(known, entry=asked["name"], reason=asked["reason"])
            return await self._changed("gate-hold", [one for one in known if one != over], over, reason, by=by)

    async def _changed(
        self, kind: str, releases: Sequence[Release], changed: Release, ended: str = "", *, by: str
    ) -> ReleaseResult:
        try:
            await asyncio.to_thread(write_releases, self._folder, releases)
        except OSError as error:
            raise CommandError(f"{self._folder} cannot be written: {cause_of(error)}; nothing was changed.") from error
        self._recorder.asked(kind, {**release_json(changed), **({"ended_reason": ended} if ended else {})}, by)
        self._gate.release(one.key for one in releases)
        outcome = await self._user.gate_changed()
        self.trouble = ""  # the file was whole again, and all of it is let through
        return ReleaseResult(changed, ended, outcome, self._user.version)


def released_keys(folder: Path) -> tuple[frozenset[bytes], str]:
    """Return the keys of what the state folder's file lets through, and why it does not, empty if it does.

    A damaged file lets nothing through.
    """
    try:
        return frozenset(release.key for release in read_releases(folder)), ""
    except CommandError as error:
        log.error("%s Until then nothing of it is let through.", error)
        return frozenset(), str(error)
