from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from blockd.ruleset.versions.version_record import MAX_PERIODS, Difference, Period, Source, VersionRecord
from tests.ruleset.lists import NOW, compiled, feed, listing, order

REPORT = {"lines": 3, "accepted": 2, "rejected": 1, "reasons": {"bad character": {"count": 1, "samples": []}}}


@pytest.fixture
def record(tmp_path: Path) -> VersionRecord:
    ruleset = compiled(
        tmp_path / "list.ruleset", feed("list", listing(order("a"), "a.example", "192.0.2.0/24"), rejected=3)
    )
    made = VersionRecord.of(ruleset.header, ruleset.catalogue, {"list": Source("/srv/list", 1_000)})
    ruleset.close()
    return made


def test_a_record_tells_counts_and_sources(record: VersionRecord) -> None:
    assert (record.compiled, record.names, record.networks, record.orders) == (NOW, 1, 1, 1)
    (part,) = record.feeds
    assert (part.name, part.source, part.source_time, part.names, part.rejected) == ("list", "/srv/list", 1_000, 2, 3)
    assert len(record.digest) == 64


def test_a_record_is_read_back_as_it_was_written(record: VersionRecord, tmp_path: Path) -> None:
    full = replace(
        record,
        content="c",
        rejects={"list": REPORT},
        held={"list": REPORT},
        difference=Difference(16, 3, 1, 0),
        periods=(Period(1, 2), Period(3, None, True, "the list was bad")),
    )
    path = tmp_path / "000017.json"
    full.write(path)
    assert VersionRecord.read(path) == full


def test_times_of_enforcement_are_kept(record: VersionRecord) -> None:
    assert (record.since, record.until) == (None, None)
    first = record.begun(10.9)
    assert first.periods == (Period(10),)
    assert first.begun(20) is first  # a restart
    ended = first.ended(30)
    assert (ended.since, ended.until) == (10, 30)
    assert ended.ended(40) is ended
    again = ended.begun(50, rollback=True, reason="why")
    assert again.periods == (Period(10, 30), Period(50, None, True, "why"))
    assert (again.since, again.until) == (10, None)


def test_pinning_what_is_in_force_begins_a_time_of_its_own(record: VersionRecord) -> None:
    pinned = record.begun(10).begun(20, rollback=True, reason="wait")
    assert pinned.periods == (Period(10, 20), Period(20, None, True, "wait"))


def test_the_first_and_the_latest_times_are_kept(record: VersionRecord) -> None:
    for at in range(0, 10 * MAX_PERIODS, 2):
        record = record.begun(at).ended(at + 1)
    assert len(record.periods) == MAX_PERIODS
    assert record.since == 0
    assert record.until == 10 * MAX_PERIODS - 1


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"3", b"null", b"{}", b"\xff", b"[" * 100_000, b'{"content": "c"}'],
)
def test_a_damaged_record_is_unknown(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "000017.json"
    path.write_bytes(content)
    assert VersionRecord.read(path) is None


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("names", "1"), ("names", -1), ("names", True), ("compiled", 1 << 60), ("content", 3), ("digest", None)),
        *(
            ("feeds", 3),
            ("feeds", [3]),
            ("feeds", [{}]),
            ("periods", [{}]),
            ("periods", {}),
            ("difference", {"added": 1}),
        ),
        *(("periods", [{"since": -1, "until": None, "rollback": False, "reason": ""}]), ("rejects", [])),
        *(("rejects", {"list": 3}), ("held", {"list": {"reasons": {"r": {"count": "1"}}}})),
    ],
)
def test_a_record_with_a_wrong_value_is_unknown(
    record: VersionRecord, tmp_path: Path, field: str, value: object
) -> None:
    path = tmp_path / "000017.json"
    record.write(path)
    path.write_text(json.dumps({**json.loads(path.read_bytes()), field: value}))
    assert VersionRecord.read(path) is None


def test_a_record_that_is_missing_or_a_folder_is_unknown(tmp_path: Path) -> None:
    assert VersionRecord.read(tmp_path / "none.json") is None
    assert VersionRecord.read(tmp_path) is None
