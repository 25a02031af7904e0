"""The state of the daemon in one sentence, with the next step."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Literal

from blockd.web.figures.both_languages import BothLanguages

Level = Literal["ok", "attention", "alarm"]


@dataclass(frozen=True, slots=True)
class OverviewAlarm:
    """An alarm in force; `severity` is `critical`, `warning` or `info`, `feed` and `authority` are empty for none.

    `what`, `in_force` and `todo` are sentences of this one alarm, in English; the other two say in both languages what
    an alarm of its name means, and what is to be done.
    """

    name: str
    severity: str
    feed: str
    authority: str
    what: str
    in_force: str
    todo: str
    sentence: BothLanguages
    next_step: BothLanguages

    def to_json(self) -> dict[str, object]:
        """Return it as JSON values."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Overview:
    """What is enforced, and what needs somebody, the gravest alarm first.

    `level` is `alarm` if one of the alarms is critical, `attention` if one is a warning, `ok` otherwise. `command` is
    what to type for the next step, empty if that is nothing to type. `version` is None before the first one, `since`
    (RFC 3339, UTC) is when blockd was started, or an upgrade was
    taken; a reload does not change it.
    """

    level: Level
    sentence: BothLanguages
    next_step: BothLanguages
    command: str
    version: int | None
    names: int
    since: str
    alarms: tuple[OverviewAlarm, ...]

    def to_json(self) -> dict[str, object]:
        """Return it as JSON values."""
        return {**asdict(replace(self, alarms=())), "alarms": [alarm.to_json() for alarm in self.alarms]}
