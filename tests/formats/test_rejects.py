from __future__ import annotations

import json

import pytest

from blockd.errors import FeedRefused
from blockd.formats.rejects import SAMPLES, RejectReport


def _report() -> RejectReport:
    report = RejectReport(lines=20, accepted=8)
    report.add("no dot", 3, b"localname")
    for line in range(4, 14):
        report.add("bad character", line, b"a b.example")
    return report


def test_the_first_samples_of_each_reason_are_kept_with_their_line_numbers() -> None:
    report = _report()
    assert report.counts == {"no dot": 1, "bad character": 10}
    assert [sample.line for sample in report.samples["bad character"]] == list(range(4, 4 + SAMPLES))
    assert report.rejected == 11
    assert report.share == pytest.approx(11 / 19)


def test_people_read_the_most_frequent_reason_first() -> None:
    lines = list(_report().text())
    assert lines[0] == "20 lines, 8 accepted, 11 rejected (57.89%)"
    assert lines[1] == "bad character: 10"
    assert lines[2] == "  line 4: a b.example"
    assert lines[-2:] == ["no dot: 1", "  line 3: localname"]


def test_what_is_not_about_names_is_told_apart_and_no_fault() -> None:
    report = _report()
    for line in range(14, 21):
        report.skip("cosmetic", line, b"##.banner")
    assert (report.rejected, report.skipped) == (11, 7)
    assert report.share == pytest.approx(11 / 19)
    assert [sample.line for sample in report.samples["cosmetic"]] == list(range(14, 14 + SAMPLES))
    lines = list(report.text())
    assert lines[-7:-5] == ["7 skipped, which are not about names", "cosmetic: 7"]
    assert RejectReport.from_json(json.loads(json.dumps(report.to_json()))) == report


def test_a_report_of_an_earlier_version_skips_nothing() -> None:
    told = _report().to_json()
    del told["skipped"], told["skip_reasons"]
    assert RejectReport.from_json(told) == _report()


def test_a_report_without_any_line_has_no_share() -> None:
    assert RejectReport().share == 0.0


def test_a_report_survives_json() -> None:
    report = _report()
    assert RejectReport.from_json(json.loads(json.dumps(report.to_json()))) == report


@pytest.mark.parametrize(
    "data", [{}, {"lines": 1, "accepted": "x", "reasons": {}}, {"lines": 1, "accepted": 1, "reasons": []}]
)
def test_what_is_no_report_is_refused(data: dict[str, object]) -> None:
    with pytest.raises(FeedRefused) as refused:
        RejectReport.from_json(data)
    assert refused.value.reason == "fault"
