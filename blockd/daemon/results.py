"""Results of requests to the admin port. The keys of each JSON object are part of the admin API."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol


@dataclass(frozen=True, slots=True)
class FeedOutcome:
    """Result of polling one feed, `new` if nothing was to be enforced; `why` is a sentence, or empty."""

    outcome: Literal["enforced", "unchanged", "refused", "waiting", "new"]
    why: str = ""

    def to_json(self) -> dict[str, object]:
        """Return it as JSON values."""
        return {"outcome": self.outcome, **({"why": self.why} if self.why else {})}


@dataclass(frozen=True, slots=True)
class RefreshResult:
    """Result of a refresh, by feed; `version` is the one in force afterwards, None if there is none."""

    feeds: Mapping[str, FeedOutcome]
    version: int | None

    def to_json(self) -> dict[str, object]:
        """Return it as JSON values."""
        return {"feeds": {name: found.to_json() for name, found in self.feeds.items()}, "version": self.version}


@dataclass(frozen=True, slots=True)
class HintResult:
    """The names of the feeds that are polled soon."""

    feeds: tuple[str, ...]

    def to_json(self) -> dict[str, object]:
        """Return it as JSON values."""
        return {"feeds": list(self.feeds)}


@dataclass(frozen=True, slots=True)
class RollbackResult:
    """Result of a rollback or a release: what is in force, and what is pinned."""

    version: int | None
    pinned: int | None

    def to_json(self) -> dict[str, object]:
        """Return it as JSON values."""
        return {"version": self.version, "pinned": self.pinned}


class Told(Protocol):
    """What can be sent as a JSON object."""

    def to_json(self) -> dict[str, object]:
        """Return it as JSON values."""


@dataclass(frozen=True, slots=True)
class ResultList:
    """Things of one kind, under the name of the kind."""

    kind: str
    things: Sequence[Told]

    def to_json(self) -> dict[str, object]:
        """Return it as JSON values."""
        return {self.kind: [one.to_json() for one in self.things]}
