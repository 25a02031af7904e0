"""The state in one sentence, from the alarms that status has and Prometheus is told of."""

from __future__ import annotations

from collections.abc import Sequence

from blockd.daemon.figures.alarm_words import words_of
from blockd.daemon.report.alarms import Alarm
from blockd.ruleset import Enforced
from blockd.times import time_text
from blockd.web.figures.both_languages import BothLanguages
from blockd.web.figures.overview import Level, Overview, OverviewAlarm

ALL_IS_WELL = BothLanguages("Nothing needs to be done.", "Tidak ada yang perlu dilakukan.")
_LEVELS: dict[str, Level] = {"critical": "alarm", "warning": "attention"}


def overview(enforced: Enforced | None, alarms: Sequence[Alarm], started: float) -> Overview:
    """Return the overview; the gravest alarm comes first, `started` is in seconds since the epoch."""
    shown = tuple(map(_shown, alarms))
    gravest = shown[0] if shown and shown[0].severity in _LEVELS else None
    base = _enforced(enforced)
    return Overview(
        level=_LEVELS[gravest.severity] if gravest else "ok",
        sentence=_sentence(base, gravest, shown),
        next_step=gravest.next_step if gravest else ALL_IS_WELL,
        command=words_of(gravest.name, gravest.feed, gravest.authority).command if gravest else "",
        version=enforced.version if enforced else None,
        names=enforced.ruleset.header.names if enforced else 0,
        since=time_text(started),
        alarms=shown,
    )


def _shown(alarm: Alarm) -> OverviewAlarm:
    words = words_of(alarm.name, alarm.feed, alarm.authority)
    english = f"Feed {alarm.feed}: {alarm.what}" if alarm.feed else alarm.what
    return OverviewAlarm(
        alarm.name, alarm.severity, alarm.feed, alarm.authority, alarm.what, alarm.in_force, alarm.todo,
        BothLanguages(english, words.sentence or english), BothLanguages(alarm.todo, words.next_step or alarm.todo),
    )  # fmt: skip


def _enforced(enforced: Enforced | None) -> BothLanguages:
    if enforced is None:
        return BothLanguages("Nothing is enforced yet.", "Belum ada yang diterapkan.")
    version, names = enforced.version, f"{enforced.ruleset.header.names:,}"
    return BothLanguages(
        f"Version {version} with {names} names is enforced.",
        f"Versi {version} dengan {names.replace(',', '.')} nama diterapkan.",
    )


def _sentence(base: BothLanguages, gravest: OverviewAlarm | None, shown: Sequence[OverviewAlarm]) -> BothLanguages:
    """Return the state in one sentence: what is enforced, and the gravest of what is wrong, with how much more is."""
    if gravest is None:
        return BothLanguages(f"{base.en} All is well.", f"{base.id} Semua baik.")
    more = sum(alarm.severity in _LEVELS for alarm in shown) - 1
    others = BothLanguages(f" And {more} more." if more else "", f" Dan {more} lagi." if more else "")
    return BothLanguages(
        f"{base.en} {gravest.sentence.en}{others.en}", f"{base.id} {gravest.sentence.id}{others.id}"
    )  # fmt: skip
