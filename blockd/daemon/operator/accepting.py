"""Acceptance: an operator takes what the gate refused for its size, its rejects or its emptiness, once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from blockd.audit import AuditRecorder
from blockd.daemon.results import FeedOutcome, RefreshResult
from blockd.daemon.update.managed_feed import ManagedFeed
from blockd.errors import CommandError, cause_of
from blockd.orders.operator_line import needed_reason, operator_line

STAYS = "Nothing was changed."


class Accepter(Protocol):
    """What compiles and enforces, see `blockd.daemon.update.updater.Updater`."""

    async def accept(self, name: str, waive: Callable[[ManagedFeed], None], /) -> RefreshResult:
        """Enforce what `waive` lets through of one feed."""


@dataclass(frozen=True, slots=True)
class AcceptResult:
    """Result of accepting a feed's refused content; `version` is the one in force."""

    feed: str
    digest: str
    outcome: FeedOutcome
    version: int | None

    def to_json(self) -> dict[str, object]:
        """Return it as JSON values."""
        return {"feed": self.feed, "digest": self.digest, **self.outcome.to_json(), "version": self.version}


class AcceptService:
    """Takes refused contents on an operator's word, and records that."""

    def __init__(self, recorder: AuditRecorder, updater: Accepter) -> None:
        self._recorder = recorder
        self._updater = updater

    async def accept(self, asked: Mapping[str, str], by: str = "") -> AcceptResult:
        """Take the content of `feed` with the SHA-256 `digest`, for a `reason`, and perhaps `as` somebody.

        Raises CommandError, and nothing has changed, if that is not what the gate refused last of the feed, or if the
        feed's last poll was refused.
        """
        name, digest = asked["feed"], asked["digest"]
        reason = needed_reason(asked["reason"], "An acceptance")
        officer = operator_line(asked.get("as", ""), "officer's name")

        def waive(managed: ManagedFeed) -> None:
            refused = managed.state.refused
            if refused is None:
                why = f" Why it is refused cannot be waived: {managed.refusal}" if managed.refusal else ""
                raise CommandError(f"Feed {name} has no content that the gate has refused. {STAYS}{why}")
            if managed.look_refusal:
                raise CommandError(
                    f"The last poll of feed {name} failed, so what the gate refused before may not be what the feed "
                    f"has now. {STAYS} {managed.look_refusal}"
                )
            if refused.fetched.digest != digest:
                raise CommandError(
                    f"The content of feed {name} is no longer the one that was shown: its SHA-256 is "
                    f"{refused.fetched.digest}, not {digest}. {STAYS} Look at it again: blockd accept {name} --show"
                )
            try:
                managed.state.waive_refused()
            except OSError as error:
                raise CommandError(f"The state of feed {name} cannot be written: {cause_of(error)}. {STAYS}") from error
            managed.content_refusal = ""  # it is compiled now, and not refused
            self._recorder.accepted(name, {**refused.to_json(), "why": reason, "officer": officer}, by)

        result = await self._updater.accept(name, waive)
        return AcceptResult(name, digest, result.feeds[name], result.version)
