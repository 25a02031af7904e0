"""The complete record of what is held back is read back as it was, and nothing else is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from blockd.names import Network, key_from_text
from blockd.ruleset.gate import held_file
from blockd.ruleset.gate.guard_report import GuardReport
from blockd.ruleset.gate.held_file import read_reports, write_reports


def report() -> GuardReport:
    found = GuardReport()
    for number in range(30):
        found.add("public suffix", key_from_text(f"s{number:02}.example"), 1 + number % 3)
    found.add("network too wide", Network.from_text("0.0.0.0/1").key)
    found.add("special-purpose network", Network.from_text("10.0.0.0/8").key, reported=True)
    return found


def test_all_entries_are_read_back(tmp_path: Path) -> None:
    reports = {"national": report(), "signed": GuardReport(enforced=True), "none": GuardReport()}
    write_reports(tmp_path / "held", reports)
    assert read_reports(tmp_path / "held") == reports


def test_a_file_never_grows_over_its_limit_and_its_counts_stay_true(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(held_file, "_MAX_TEXTS", 200)
    write_reports(tmp_path / "held", {"one": report(), "two": report()})
    found = read_reports(tmp_path / "held")
    assert found is not None
    assert found["one"].counts == found["two"].counts == report().counts
    assert sum(len(entries) for entries in found["one"].entries.values()) == 10
    assert sum(len(entries) for entries in found["two"].entries.values()) == 0


GOOD = {"enforced": False, "reasons": {"x": {"count": 1, "reported": False, "entries": [["a.example", 3]]}}}


@pytest.mark.parametrize(
    "told",
    [
        None, [], {}, {"format": 2, "reports": {}}, {"format": 1, "reports": []}, {"format": 1, "reports": {"f": 7}},
        *(
            {"format": 1, "reports": {"f": {"enforced": False, "reasons": {"x": fields}}}}
            for fields in (
                {},
                {"count": 0, "reported": False, "entries": []},
                {"count": True, "reported": False, "entries": []},
                {"count": 1, "reported": False, "entries": [["a", 3], ["b", 3]]},
                {"count": 2, "reported": False, "entries": [["b", 3], ["a", 3]]},
                {"count": 1, "reported": False, "entries": [["a", 4]]},
                {"count": 1, "reported": False, "entries": [["a"]]},
                {"count": 1, "reported": False, "entries": [[7, 3]]},
            )
        ),
    ],
)  # fmt: skip
def test_whatever_is_no_record_counts_as_none(tmp_path: Path, told: object) -> None:
    (tmp_path / "held").write_text(json.dumps(told), "ascii")
    assert read_reports(tmp_path / "held") is None
    (tmp_path / "held").write_text(json.dumps({"format": 1, "reports": {"f": GOOD}}), "ascii")
    assert read_reports(tmp_path / "held") is not None
    assert read_reports(tmp_path / "missing") is None
