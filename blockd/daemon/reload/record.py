"""A reload as it is told: to who asked for it, in `blockd status`, in metrics, and in the audit log."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal, Self

from blockd.orders.operator_line import MAX_LINE

Outcome = Literal["checking", "trying", "taking", "taken", "unchanged", "refused", "failed"]

OUTCOMES: tuple[Outcome, ...] = ("taken", "unchanged", "refused", "failed")  # of a reload that has ended
BY_SIGNAL = "SIGHUP"
MAX_OCTETS = 3_300  # of the sentences of each kind that are told: both kinds, with the rest, fit one message
MAX_LETTERS = 270  # of a sentence: one alone has room, whatever its letters are
KEPT = 16  # reloads whose records are known by their ids
MAX_ID = 64  # letters; those that are drawn have 16
MAX_BY = 220  # letters of who asked for it: the longest is `certificate ` and a name of 200


def asked_in(values: Mapping[str, Any]) -> tuple[str, str, str]:
    """Return of a message which id was asked for, by whom, and why: whole, as the API takes no longer ones."""
    lengths = {"id": MAX_ID, "by": MAX_BY, "reason": MAX_LINE}
    known, by, reason = (str(values.get(key, ""))[:most] for key, most in lengths.items())
    return known, by, reason


@dataclass(frozen=True, slots=True)
class ReloadRequest:
    """What was asked for: by whom, why, and whether it shall only be shown what would change."""

    id: str
    by: str
    reason: str = ""
    dry_run: bool = False

    @classmethod
    def from_message(cls, values: Mapping[str, Any]) -> Self:
        """Return the one that a message has."""
        return cls(*asked_in(values), bool(values.get("dry_run")))


@dataclass(frozen=True, slots=True)
class ReloadRecord:
    """How a reload stands or has ended.

    `before` and `after` are the SHA-256 of the config in force and of the one on disk, empty for one that cannot be
    read; `replaced` are the kinds of processes; `problems` say why it was refused, and what is still in force.
    """

    id: str
    by: str
    reason: str
    dry_run: bool
    at: str  # when it was asked for, RFC 3339
    outcome: Outcome
    before: str = ""
    after: str = ""
    changes: tuple[str, ...] = ()
    replaced: tuple[str, ...] = ()
    restart: tuple[str, ...] = ()  # settings that only a restart takes
    problems: tuple[str, ...] = ()
    seconds: float = 0.0

    @property
    def has_ended(self) -> bool:
        """Whether nothing more happens."""
        return self.outcome in OUTCOMES

    @property
    def was_begun(self) -> bool:
        """Whether anything was looked at; else it is told nothing of the config."""
        return self.outcome != "refused" or bool(self.before)

    @property
    def is_good(self) -> bool:
        """Whether the config on disk is the one in force, or would be."""
        return self.outcome in ("taken", "unchanged")

    def to_json(self) -> dict[str, object]:
        """Return it as JSON values."""
        return {**asdict(self), **{key: list(getattr(self, key)) for key in _LISTS}}

    @classmethod
    def from_message(cls, values: Mapping[str, Any]) -> Self:
        """Return the one that `to_json` told."""
        known = {one.name for one in fields(cls)}
        found = {key: value for key, value in values.items() if key in known}
        return cls(**{**found, **{key: tuple(map(str, found.get(key, ()))) for key in _LISTS}})


@dataclass(frozen=True, slots=True)
class ReloadHistory:
    """What is known of reloads since the start: how many have ended in which way.

    `current` is the one in progress, else the newest; `last` is the last that has ended and was no dry run. `recent`
    are the newest that have ended.
    """

    current: ReloadRecord | None = None
    last: ReloadRecord | None = None
    total: Mapping[str, int] = field(default_factory=dict)
    recent: tuple[ReloadRecord, ...] = ()


_MORE = re.compile(r"and ([0-9]{1,9}) more")  # as `blockd.settings.load` ends many problems
_LISTS = ("changes", "replaced", "restart", "problems")


def bounded(sentences: Sequence[str]) -> tuple[str, ...]:
    """Return sentences as far as one message has room for them; the last one says how many are left out."""
    told: list[str] = []
    room = MAX_OCTETS
    for sentence in sentences:
        one = sentence if len(sentence) <= MAX_LETTERS else f"{sentence[:MAX_LETTERS]}…"
        room -= len(json.dumps(one))
        if room < 0:
            break
        told.append(one)
    left = len(sentences) - len(told)
    if left and (more := _MORE.fullmatch(sentences[-1])):
        left += int(more[1]) - 1  # those that were left out before
    return (*told, *([f"and {left} more; `blockd check` tells all of them"] if left > 0 else []))
