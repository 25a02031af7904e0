"""How workers see upstreams: as they note it, as status and alarms tell it, and in the log when it changes."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from blockd.daemon.report.alarms import Alarm
from blockd.daemon.report.upstream_lines import upstream_lines
from blockd.daemon.report.upstreams import LOOPS_KEPT, UpstreamReport
from blockd.daemon.upstreams.notes import UpstreamNotes
from blockd.daemon.upstreams.state_log import SELDOM, StateLog
from blockd.metrics.upstreams import FAILURES, Load, UpstreamTable
from blockd.resolver.forwarding.health import (
    DISCONNECTED,
    MALFORMED,
    PROBES_TO_DOWN,
    REFUSING,
    SERVFAILING,
    SILENT,
    UNPROVEN,
    UNREACHABLE,
    Health,
)
from blockd.resolver.machine.observation import Observation
from blockd.resolver.resolution import Resolution
from blockd.settings import Settings
from blockd.times import time_text

WALL = 1_790_000_000.0  # seconds since the epoch at 0 of the monotonic clock


class Seen:
    """Some workers that see upstreams, by a clock that a test moves."""

    def __init__(self, workers: int, *texts: str, **config: Any) -> None:
        settings = Settings.model_validate({"upstreams": list(texts), **config}, context={"folder": None})
        self.resolution = Resolution.by(settings, Observation())
        self.now = 100.0
        self.table = UpstreamTable(workers)
        self.table.use([one.text for one in self.resolution.upstreams])
        self.notes = [self.notes_of(index) for index in range(workers)]
        self.healths = [{one: Health(self.now) for one in self.resolution.upstreams} for _ in range(workers)]
        self.looped: dict[str, int] = {}
        self.log = StateLog(self.table)
        self.report = UpstreamReport(self.table)

    def notes_of(self, worker: int) -> UpstreamNotes:
        return UpstreamNotes(
            self.table.row(worker), self.resolution.upstreams, lambda: self.now, lambda: self.now + WALL
        )

    def health(self, upstream: int, worker: int = 0) -> Health:
        return self.healths[worker][self.resolution.upstreams[upstream]]

    def note(self) -> None:
        for notes, healths in zip(self.notes, self.healths, strict=True):
            notes.note(healths, self.looped, Load(3, 2, 1, 5))

    def fail(self, upstream: int) -> None:
        """Have clients' questions and a probe of each worker go unanswered."""
        for worker in range(len(self.healths)):
            self.doubt(upstream, worker)
            self.health(upstream, worker).note_probe_silence(self.now)

    def doubt(self, upstream: int, worker: int = 0) -> None:
        self.health(upstream, worker).note_failure(SILENT, self.now)

    def answer(self, upstream: int) -> None:
        for worker in range(len(self.healths)):
            self.health(upstream, worker).note_answer(self.now, 0.02)
            self.health(upstream, worker).note_resolved(self.now)

    def told(self) -> list[tuple[int, str]]:
        self.note()
        return list(self.log.news(self.resolution, self.now))

    def alarms(self) -> list[Alarm]:
        self.note()
        return list(self.report.alarms(self.resolution, self.now + WALL))

    def lines(self) -> Iterator[str]:
        return upstream_lines([one.to_json() for one in self.report.status(self.resolution)])


def test_status_tells_how_each_upstream_is() -> None:
    seen = Seen(2, "192.0.2.1", forward=[{"zone": "corp.example", "upstreams": ["192.0.2.9"]}])
    assert list(seen.lines()) == [
        "upstream 192.0.2.1:53: nothing is known of it yet",
        "upstream 192.0.2.9:53 for corp.example: nothing is known of it yet",
    ]
    for worker in range(2):
        seen.health(0, worker).note_asked()
    seen.now = 130.0
    seen.answer(0)
    seen.fail(1)
    seen.note()
    at = time_text(WALL + 130.0)
    assert list(seen.lines()) == [
        f"upstream 192.0.2.1:53: up since {at}, 20.0 ms, 2 asked, 2 answered, 0 unanswered, 0 in flight",
        f"upstream 192.0.2.9:53 for corp.example: FAILING since {at}, 0 asked, 0 answered, 0 unanswered, 0 in flight",
        "  failed: 2 silent",
    ]
    [first, second] = [one.to_json() for one in seen.report.status(seen.resolution)]
    assert (first["zones"], first["state"], first["since"], first["heard"]) == (["."], "up", at, at)
    assert (second["zones"], second["failures"], second["heard"]) == (["corp.example"], {**_none(), "silent": 2}, None)
    assert seen.table.load() == (6, 4, 2, 10)


def _none() -> dict[str, int]:
    return dict.fromkeys(FAILURES, 0)


def test_counts_go_on_when_a_worker_is_started_again() -> None:
    seen = Seen(1, "192.0.2.1", "192.0.2.2")
    seen.answer(0)
    seen.note()
    seen.notes = [seen.notes_of(0)]
    seen.healths = [{one: Health(seen.now) for one in seen.resolution.upstreams}]
    seen.answer(0)
    seen.note()
    figures = seen.table.figures(0)
    assert figures is not None
    assert figures.answered == 2


def test_figures_of_other_upstreams_are_never_taken_for_those_of_now() -> None:
    seen = Seen(1, "192.0.2.1", "192.0.2.2")
    seen.answer(0)
    seen.note()
    first, second = seen.resolution.upstreams
    seen.table.use([second.text])
    assert getattr(seen.table.figures(0), "answered", None) == 0, "found by the upstream, whatever its slot"
    seen.notes[0].use([second])
    seen.note()
    figures = seen.table.figures(0)
    assert figures is not None
    assert figures.answered == 0
    seen.notes[0].use([first, second])
    seen.table.use([first.text, second.text])
    seen.note()
    again = seen.table.figures(0)
    assert again is not None
    assert again.answered == 1


def test_a_change_is_logged_once_for_all_workers_with_the_reason() -> None:
    seen = Seen(2, "192.0.2.1", "192.0.2.2")
    assert seen.told() == []
    seen.answer(0)
    seen.answer(1)
    assert seen.told() == [], "that it works is no news at a start"
    seen.health(0, 0).note_probe_silence(seen.now)
    assert seen.told() == [], "one worker alone"
    seen.fail(0)
    [(level, sentence)] = seen.told()
    assert level == logging.WARNING
    assert sentence == (
        "The upstream 192.0.2.1:53 is failing; others are asked first: of the last questions 2 unanswered."
    )
    assert seen.told() == []
    seen.now += SELDOM
    seen.answer(0)
    assert seen.told() == [(logging.INFO, "The upstream 192.0.2.1:53 answers again, after 30 s.")]


def test_one_that_comes_and_goes_is_logged_seldom() -> None:
    seen = Seen(1, "192.0.2.1", "192.0.2.2")
    seen.answer(0)
    seen.told()
    lines = 0
    for _ in range(100):
        seen.now += 1
        seen.fail(0)
        lines += len(seen.told())
        seen.answer(0)
        lines += len(seen.told())
    assert 2 <= lines <= 100 / SELDOM + 2


def test_no_upstream_of_a_group_is_an_error_and_a_critical_alarm() -> None:
    seen = Seen(1, "192.0.2.1", forward=[{"zone": "corp.example", "upstreams": ["192.0.2.9", "192.0.2.8"]}])
    assert seen.alarms() == []
    for upstream in (1, 2):
        seen.fail(upstream)
    sentences = [sentence for level, sentence in seen.told() if level == logging.ERROR]
    assert sentences == ["No upstream for the zone corp.example is up: what is not cached gets SERVFAIL."]
    alarms = seen.alarms()
    assert [(alarm.name, alarm.severity) for alarm in alarms] == [
        ("BlockdNoUpstream", "critical"), ("BlockdUpstreamFailing", "warning"), ("BlockdUpstreamFailing", "warning"),
    ]  # fmt: skip
    assert alarms[0].what == "No upstream for names in corp.example is up: 192.0.2.9:53, 192.0.2.8:53."
    assert {alarm.in_force for alarm in alarms[1:]} == {
        "blocks, the cache and local names; it is probed, and asked again once it answers"
    }
    assert seen.report.sample(seen.resolution).usable == {".": 1, "corp.example": 0}
    seen.answer(1)
    assert [alarm.in_force for alarm in seen.alarms()] == [
        "all of it; the other upstreams are asked, and this one is probed"
    ]
    seen.now += SELDOM
    assert (logging.INFO, "An upstream for the zone corp.example is up again.") in seen.told()


def test_names_that_fail_are_no_alarm_while_probes_are_answered() -> None:
    """A client that asks for names of a broken zone must not have the operator told that nothing is resolved."""
    seen = Seen(1, "192.0.2.1")
    seen.answer(0)
    assert seen.told() == []
    for _ in range(100):
        seen.now += 1
        for kind in (REFUSING, REFUSING, REFUSING, MALFORMED, UNREACHABLE, DISCONNECTED, UNPROVEN, SILENT):
            seen.health(0).note_failure(kind, seen.now)
        assert seen.told() == []
        assert seen.alarms() == []
        assert seen.report.sample(seen.resolution).usable == {".": 1}
        [line, _] = seen.lines()
        assert line.startswith("upstream 192.0.2.1:53: doubtful since ")
        seen.health(0).note_probe_answer(seen.now, 0.01, True)


def test_one_that_answers_servfail_to_everything_is_failing_all_the_time() -> None:
    seen = Seen(1, "192.0.2.1")
    seen.answer(0)
    lines = seen.told()
    for _ in range(100):
        seen.now += 1
        seen.health(0).note_failure(SERVFAILING, seen.now)
        seen.health(0).note_tried(seen.now)
        seen.health(0).note_probe_answer(seen.now, 0.01, False)
        seen.health(0).note_failure(SERVFAILING, seen.now)
        seen.health(0).note_tried(seen.now)
        lines += seen.told()
        assert seen.alarms()[0].name == "BlockdNoUpstream"
    assert [sentence for _, sentence in lines] == [
        "The upstream 192.0.2.1:53 is failing: of the last questions 2 answered with SERVFAIL.",
        "No upstream for all names is up: what is not cached gets SERVFAIL.",
    ]


def test_a_group_that_comes_and_goes_is_logged_seldom() -> None:
    seen = Seen(1, "192.0.2.1")
    seen.answer(0)
    lines = 0
    for _ in range(100):
        seen.now += 1
        seen.fail(0)
        lines += sum("for all names" in sentence for _, sentence in seen.told())
        seen.answer(0)
        lines += sum("for all names" in sentence for _, sentence in seen.told())
    assert 2 <= lines <= 100 / SELDOM + 2


def test_only_one_that_has_others_beside_it_has_others_asked_first() -> None:
    seen = Seen(1, "192.0.2.1", forward=[{"zone": "corp.example", "upstreams": ["192.0.2.9", "192.0.2.8"]}])
    for upstream in range(2):
        seen.answer(upstream)
        seen.fail(upstream)
    assert [sentence for level, sentence in seen.told() if level == logging.WARNING] == [
        "The upstream 192.0.2.1:53 is failing: of the last questions 1 unanswered.",
        "The upstream 192.0.2.9:53 is failing; others are asked first: of the last questions 1 unanswered.",
    ]


def test_an_upstream_that_is_left_out_and_questions_that_came_back_are_alarms() -> None:
    seen = Seen(1, "127.0.0.1:8053", "192.0.2.1")
    [alarm] = seen.alarms()
    assert (alarm.name, alarm.what) == (
        "BlockdUpstreamLoop", "The upstream 127.0.0.1:8053 is blockd itself; it is left out.",
    )  # fmt: skip
    seen.looped = {"192.0.2.1:53": 3}
    assert seen.alarms()[-1].what == "3 questions to the upstream 192.0.2.1:53 came back to blockd."
    [(_, sentence)] = seen.told()
    assert sentence == (
        "3 questions to the upstream 192.0.2.1:53 came back to blockd, and got SERVFAIL: it leads here. "
        "Name other resolvers in `upstreams`."
    )
    seen.looped = {"192.0.2.1:53": 4}
    assert seen.told() == [], "at most a line a minute"
    seen.alarms()
    seen.now += LOOPS_KEPT
    assert len(seen.alarms()) == 1


def test_without_any_upstream_there_is_an_alarm() -> None:
    seen = Seen(1, "127.0.0.1:8053")
    assert [alarm.name for alarm in seen.alarms()] == ["BlockdNoUpstream", "BlockdUpstreamLoop"]
    assert seen.alarms()[0].what == "There is no upstream for names that are neither listed nor local."


@pytest.mark.parametrize("count", [1, 40])
def test_many_upstreams_are_counted(count: int) -> None:
    zones = [{"zone": f"z{n}.example", "upstreams": [f"192.0.2.{n + 1}"]} for n in range(count)]
    seen = Seen(1, "192.0.2.200", forward=zones)
    assert any("more upstreams" in line for line in seen.lines()) == (count > 32)
    assert replace(seen.report.sample(seen.resolution)).names[0] == "192.0.2.200:53"


def test_an_alarm_says_since_when_an_upstream_is_down_and_when_it_was_last_heard() -> None:
    seen = Seen(2, "192.0.2.1", "192.0.2.2")
    seen.answer(0)
    seen.now += 60
    for upstream in range(2):
        seen.fail(upstream)
        for worker in range(2):
            for _ in range(PROBES_TO_DOWN):
                seen.health(upstream, worker).note_probe_silence(seen.now)
    seen.now += 60
    down, heard = time_text(WALL + 160.0), time_text(WALL + 100.0)
    assert [alarm.what for alarm in seen.alarms() if alarm.name == "BlockdUpstreamFailing"] == [
        f"The upstream 192.0.2.1:53 is down since {down} (2 silent); it was last heard at {heard}.",
        f"The upstream 192.0.2.2:53 is down since {down} (2 silent); it was never heard.",
    ]
