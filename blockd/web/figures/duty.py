"""The duty clock: how long orders took from when they could be known to their enforcement, against a deadline."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class DutyTimes:
    """Seconds; None if there was no order. `p95` is the nearest rank, `late` how many took longer than the deadline."""

    count: int
    median: float | None
    p95: float | None
    worst: float | None
    late: int


@dataclass(frozen=True, slots=True)
class DutyTurn:
    """One order that came into force for every worker (`imposed`), or ceased to be (`lifted`), at `time` (RFC 3339)."""

    time: str
    change: Literal["imposed", "lifted"]
    order: str
    feed: str
    authority: str
    seconds: float
    is_late: bool


@dataclass(frozen=True, slots=True)
class DutyClock:
    """The times of the newest changes whose beginning is known, from the audit log; `deadline` is in seconds.

    `since` is the time of the oldest change that is counted, None if there is none.
    """

    deadline: float
    since: str | None
    imposed: DutyTimes
    lifted: DutyTimes
    recent: tuple[DutyTurn, ...]  # the newest first

    def to_json(self) -> dict[str, object]:
        """Return it as JSON values."""
        return {**asdict(self), "recent": [asdict(turn) for turn in self.recent]}
