"""The state in one sentence, from the alarms that status has and Prometheus is told of."""

from __future__ import annotations

from collections.abc import Sequence

from blockd.daemon.figures.alarm_words import words_of
from blockd.daemon.report.alarms import Alarm
from blockd.daemon.report.state_sentence import CRITICAL, WARNING, alarms_counted, state_sentence
from blockd.ruleset import Enforced
from blockd.times import time_text
from blockd.web.figures.both_languages import BothLanguages
from blockd.web.figures.overview import Level, Overview, OverviewAlarm

ALL_IS_WELL = BothLanguages("Nothing needs to be done.", "Tidak ada yang perlu dilakukan.")
_LEVELS: dict[str, Level] = {CRITICAL: "alarm", WARNING: "attention"}
_SEVERITIES = {CRITICAL: "alarm kritis", WARNING: "peringatan"}


def overview(enforced: Enforced | None, alarms: Sequence[Alarm], since: float) -> Overview:
    """Return the overview; the gravest alarm comes first, `since` is in seconds since the epoch."""
    shown = tuple(map(_shown, alarms))
    gravest = shown[0] if shown and shown[0].severity in _LEVELS else None
    return Overview(
        level=_LEVELS[gravest.severity] if gravest else "ok",
        sentence=_sentence(enforced, alarms, shown),
        next_step=gravest.next_step if gravest else ALL_IS_WELL,
        command=words_of(alarms[0]).command if gravest else "",
        version=enforced.version if enforced else None,
        names=enforced.ruleset.header.names if enforced else 0,
        since=time_text(since),
        alarms=shown,
    )


def _shown(alarm: Alarm) -> OverviewAlarm:
    words = words_of(alarm)
    english = f"Feed {alarm.feed}: {alarm.what}" if alarm.feed else alarm.what
    return OverviewAlarm(
        alarm.name, alarm.severity, alarm.feed, alarm.authority, alarm.what, alarm.in_force, alarm.todo,
        BothLanguages(english, words.sentence or english), BothLanguages(alarm.todo, words.next_step or alarm.todo),
    )  # fmt: skip


def _sentence(enforced: Enforced | None, alarms: Sequence[Alarm], shown: Sequence[OverviewAlarm]) -> BothLanguages:
    """Return the sentence that the service manager is told as well, and the same in Indonesian."""
    return BothLanguages(state_sentence(enforced, alarms), _indonesian(enforced, alarms, shown))


def _indonesian(enforced: Enforced | None, alarms: Sequence[Alarm], shown: Sequence[OverviewAlarm]) -> str:
    if enforced is None:
        head = "Belum ada daftar yang diberlakukan"
    else:
        header = enforced.ruleset.header
        counted = f"{_number(header.names)} nama" + (
            f", {_number(header.networks)} jaringan" if header.networks else ""
        )
        head = f"Versi {enforced.version} diberlakukan: {counted}"
    counts = alarms_counted(enforced, alarms)
    told = " dan ".join(f"{count} {_SEVERITIES[severity]}" for severity, count in counts.items() if count)
    return f"{head}; {told}, yang pertama: {shown[0].sentence.id}" if told else f"{head}."


def _number(value: int) -> str:
    return f"{value:,}".replace(",", ".")
