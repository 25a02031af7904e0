"""Timeline and duty clock, from a real audit log."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from blockd.audit import AuditLog
from blockd.audit.chain import KINDS as ALL_KINDS
from blockd.audit.chain import Record
from blockd.daemon.figures.duty import KINDS, duty_clock
from blockd.daemon.figures.log_reader import LogReader
from blockd.daemon.figures.refusal_words import INDONESIAN
from blockd.daemon.figures.timeline import MAX_RECORDS, SENTENCES, events_of, timeline_of
from blockd.errors import CommandError
from blockd.feeds.reasons import REASONS
from blockd.settings.feeds import OVERRIDES

NOW = 1_795_521_600.0
UNTOLD = {"new-chain", "lost", "gap", "evidence", "self-test", "statement"}  # which change nothing that is enforced


@pytest.fixture
def log(tmp_path: Path) -> Iterator[AuditLog]:
    log = AuditLog(tmp_path, lambda: NOW)
    log.begin()
    yield log
    log.close()


def order(change: str | None = "imposed", seconds: float | None = 40.0, **more: Any) -> dict[str, Any]:
    return {
        "order": "2026-17", "called": "games/2026-17", "feed": "ministry", "authority": "Games", "role": "games",
        "state": "in force", "change": change, "since": "", "signed": None, "due": None, "seconds": seconds,
        "version": 3, **more,
    }  # fmt: skip


def written(log: AuditLog, *records: tuple[str, dict[str, Any], float]) -> LogReader:
    for kind, body, at in records:
        log.write(kind, body, at=at)
    log.wait(30)
    return LogReader(log.folder)


def test_duty_is_the_median_the_nearest_rank_and_the_worst_against_the_deadline(log: AuditLog) -> None:
    seconds = [float(number) for number in range(1, 101)]
    reader = written(
        log,
        *(("order", order("imposed", one), NOW - 200 + place) for place, one in enumerate(seconds)),
        ("order", order("lifted", 7.0), NOW - 50),
        ("order", order("imposed", None), NOW - 40),  # since when it was due is not known
        ("order", order(None, 1.0), NOW - 30),
        ("order", order("imposed", 9999.0, feed=OVERRIDES), NOW - 20),
    )
    records, is_more = reader.newest(KINDS, 0.0, NOW, 10_000)
    duty = duty_clock(records, deadline=90.0)
    assert not is_more
    assert (duty.imposed.count, duty.imposed.median, duty.imposed.p95, duty.imposed.worst) == (100, 50.5, 95.0, 100.0)
    assert duty.imposed.late == 10
    assert (duty.lifted.count, duty.lifted.median, duty.lifted.p95, duty.lifted.late) == (1, 7.0, 7.0, 0)
    assert duty.recent[0].change == "lifted"
    assert [turn.is_late for turn in duty.recent[1:12]] == [True] * 10 + [False]
    assert duty.since == duty_clock(records[-1:], 90.0).since


def test_duty_without_any_order_says_nothing() -> None:
    duty = duty_clock([], 90.0)
    assert (duty.since, duty.imposed.median, duty.imposed.late, duty.recent) == (None, None, 0, ())


def test_the_timeline_tells_each_kind_in_both_languages() -> None:
    bodies: dict[str, dict[str, Any]] = {
        "enforced": {"version": 3, "names": 1234567, "how": "compiled", "reason": ""},
        "taken-back": {"version": 4, "why": "the self-test failed"},
        "order": order(),
        "override": {
            "order": "L-1",
            "name": "bank.example",
            "until": "2026-12-01T00:00:00Z",
            "reason": "wrong",
            "officer": "Siti",
        },
        "override-ended": {
            "order": "L-1",
            "name": "bank.example",
            "reason": "wrong",
            "ended_reason": "done",
            "by": "token ops",
        },
        "rollback": {"version": 2, "enforced": 2, "reason": "bad list"},
        "release": {"version": 2, "reason": "good again"},
        "refused": {"feed": "national", "role": "games", "reason": "shrunk", "sentence": "it shrank by 40%."},
        "good-again": {"feed": "national"},
        "accept": {"feed": "national", "why": "as announced", "officer": "Budi"},
        "gate-release": {"entry": "bank.example", "reason": "court", "officer": "Budi"},
        "gate-hold": {"entry": "bank.example", "ended_reason": "over"},
        "upgrade": {"outcome": "taken", "before": "1.0", "after": "2.0"},
        "reload": {"outcome": "taken", "by": "user root", "changes": ["feeds"], "problems": []},
        "token": {"name": "grafana", "role": "metrics", "sha256": "00", "done": "made", "by": "user root"},
        "refresh": {"feeds": ["ministry"], "by": "user root"},
        "flush": {"name": "a.example", "below": False, "by": "user root"},
        "start": {"of": "daemon", "blockd": "1.0"},
        "stop": {"blockd": "1.0"},
    }
    assert set(bodies) == set(SENTENCES)
    assert set(ALL_KINDS) <= set(SENTENCES) | UNTOLD, "a kind that is new is told, or named as one that is not"
    records = [
        Record(place, "2026-11-24T12:00:00.000Z", kind, body) for place, (kind, body) in enumerate(bodies.items())
    ]
    events = {
        SENTENCES[record.kind][0] + record.kind: event
        for record, event in zip(records, events_of(records), strict=True)
    }
    for event in events.values():
        assert event.sentence.en
        assert event.sentence.id
        assert event.sentence.en != event.sentence.id
        assert "None" not in event.sentence.en + event.sentence.id
    assert events["versionenforced"].sentence.en == "Version 3 with 1,234,567 names is enforced by every worker."
    assert events["versionenforced"].sentence.id == "Versi 3 dengan 1.234.567 nama diberlakukan oleh semua worker."
    assert (events["overrideoverride"].by, events["overrideoverride"].reason) == ("Siti", "wrong")
    assert (events["overrideoverride-ended"].by, events["overrideoverride-ended"].reason) == ("token ops", "done")
    assert events["reloadreload"].sentence.en == "The config on disk was taken: feeds."
    assert events["reloadreload"].by == "user root"
    assert events["orderorder"].order == "games/2026-17"
    refused = events["refusalrefused"]
    assert refused.sentence.en == "New content of national/games is refused: it shrank by 40%."
    assert refused.sentence.id == (
        "Isi baru dari national/games ditolak: kehilangan lebih banyak entri daripada yang diizinkan gate."
    )
    assert (refused.detail, refused.reason) == ("it shrank by 40%.", ""), "a reason of the daemon is nobody's words"
    assert events["reloadreload"].sentence.id == "Konfigurasi di disk diambil."
    assert events["reloadreload"].detail == "feeds"
    assert events["versiontaken-back"].detail == "the self-test failed"
    assert "the self-test failed" not in events["versiontaken-back"].sentence.id
    assert [kind for kind, event in events.items() if event.detail] == [
        "versiontaken-back", "refusalrefused", "reloadreload",
    ]  # fmt: skip


def test_every_reason_of_a_refusal_has_its_words_in_indonesian() -> None:
    assert INDONESIAN.keys() == REASONS.keys()
    assert not set(INDONESIAN.values()) & set(REASONS.values())


def test_the_timeline_is_newest_first_within_its_time(log: AuditLog) -> None:
    reader = written(
        log,
        *(("rollback", {"version": number, "enforced": 1, "reason": "r"}, NOW - 100 + number) for number in range(50)),
        ("self-test", {}, NOW),
    )
    records, is_more = reader.newest(tuple(SENTENCES), NOW - 90, NOW - 60, 1000)
    events = list(events_of(records))
    assert [event.version for event in events] == list(range(40, 9, -1))
    assert not is_more
    records, is_more = reader.newest(tuple(SENTENCES), NOW - 90, NOW - 60, 5)
    assert ([record.body["version"] for record in records], is_more) == ([40, 39, 38, 37, 36], True)


def test_many_orders_of_one_version_are_told_together(log: AuditLog) -> None:
    records, _ = written(
        log,
        *(("order", order(order=f"o-{number}", called=f"o-{number}"), NOW) for number in range(3000)),
        ("enforced", {"version": 3, "names": 1, "how": "compiled", "reason": ""}, NOW),
        *(("order", order(state="lifted"), NOW) for _ in range(2)),
    ).newest(tuple(SENTENCES), NOW - 1, NOW + 1, 4000)
    events = list(events_of(records))
    assert [event.kind for event in events] == ["order", "order", "version", "order"]
    assert events[-1].sentence.en == "3,000 orders of feed ministry are in force."
    assert events[-1].sentence.id == "3.000 perintah dari ministry berlaku."


def test_the_lists_of_many_feeds_of_one_version_are_told_together(log: AuditLog) -> None:
    records, _ = written(
        log, *(("order", order(feed=f"f-{number}", order=f"f-{number}"), NOW) for number in range(999))
    ).newest(tuple(SENTENCES), NOW - 1, NOW + 1, 4000)
    [event] = events_of(records)
    assert (event.feed, event.sentence.en) == ("", "999 orders of 999 feeds are in force.")
    assert event.sentence.id == "999 perintah dari 999 feed berlaku."


def test_ten_thousand_orders_of_one_version_hide_nothing_else(log: AuditLog) -> None:
    reader = written(
        log,
        ("rollback", {"version": 2, "enforced": 1, "reason": "r"}, NOW - 50),
        *(("order", order(order=f"o-{number}", called=f"o-{number}"), NOW - 40) for number in range(MAX_RECORDS + 1)),
        ("start", {"of": "control process", "blockd": "1"}, NOW - 30),
    )
    told = timeline_of(reader.newest, NOW - 60, NOW)
    assert [event.kind for event in told.events] == ["restart", "order", "rollback"]
    assert told.truncated
    assert told.events[1].sentence.en == "At least 4,000 orders of feed ministry are in force."
    assert told.events[1].sentence.id == "Sedikitnya 4.000 perintah dari ministry berlaku."
    later = timeline_of(reader.newest, NOW - 35, NOW)
    assert ([event.kind for event in later.events], later.truncated) == (["restart"], False)


def test_hostile_texts_of_a_record_stay_on_one_line() -> None:
    record = Record(
        1, "2026-11-24T12:00:00.000Z", "refused", {"feed": "f", "sentence": "a\nb\u202ec\x1b[1m", "reason": "<script>"}
    )
    (event,) = events_of([record])
    assert event.sentence.en.isprintable()
    assert event.sentence.id == "Isi baru dari f ditolak."
    assert event.detail.isprintable()


def test_records_that_are_large_are_bounded_by_their_octets(log: AuditLog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("blockd.daemon.figures.log_reader.MAX_OCTETS", 10_000)
    reader = written(log, *(("rollback", {"reason": "x" * 1000}, NOW + number) for number in range(50)))
    records, is_more = reader.newest(("rollback",), 0.0, NOW + 100, 1000)
    assert is_more
    assert 0 < len(records) < 10


def test_a_log_that_cannot_be_read_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"^The audit log cannot be read now: "):
        LogReader(tmp_path).newest(KINDS, 0.0, NOW, 10)
