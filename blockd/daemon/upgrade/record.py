"""An upgrade as it is told: to who asked for it, in the log, and in the audit log."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, Self

from blockd.daemon.reload.record import asked_in
from blockd.web.api.bodies import MAX_PROGRAM

UpgradeOutcome = Literal["trying", "tried", "taking", "taken", "refused", "failed"]

ENDED: tuple[UpgradeOutcome, ...] = ("tried", "taken", "refused", "failed")


@dataclass(frozen=True, slots=True)
class UpgradeRequest:
    """What was asked for: by whom, why, which program, empty for the one that was started, and whether only to try."""

    id: str
    by: str
    reason: str = ""
    program: str = ""
    dry_run: bool = False

    @classmethod
    def from_message(cls, values: Mapping[str, Any]) -> Self:
        """Return the one that a message has."""
        return cls(*asked_in(values), str(values.get("program", ""))[:MAX_PROGRAM], bool(values.get("dry_run")))


@dataclass(frozen=True, slots=True)
class UpgradeRecord:
    """How an upgrade stands or has ended; `before` and `after` are versions of blockd, `after` empty if unknown."""

    id: str
    by: str
    reason: str
    program: str
    dry_run: bool
    at: str  # when it was asked for, RFC 3339
    outcome: UpgradeOutcome
    before: str = ""
    after: str = ""
    problems: tuple[str, ...] = ()
    seconds: float = 0.0

    @property
    def has_ended(self) -> bool:
        """Whether nothing more happens."""
        return self.outcome in ENDED

    def to_json(self) -> dict[str, object]:
        """Return it as JSON values."""
        return {**asdict(self), "problems": list(self.problems)}

    @classmethod
    def from_message(cls, values: Mapping[str, Any]) -> Self:
        """Return the one that `to_json` told, by this version or another one."""
        known = {one.name for one in fields(cls)}
        found = {key: value for key, value in values.items() if key in known}
        return cls(**{**found, "problems": tuple(map(str, found.get("problems", ())))})
