from __future__ import annotations

import json

import pytest

from blockd.errors import RulesetError
from blockd.names import key_from_text
from blockd.ruleset.gate.guard_report import SAMPLES, GuardReport


def report(*names: str, enforced: bool = False, why: str = "public suffix") -> GuardReport:
    found = GuardReport(enforced=enforced)
    for name in names:
        found.add(why, key_from_text(name))
    return found


NINE = [f"n{number}.example" for number in range(9)]


def test_the_first_names_are_kept_as_samples_whatever_their_order() -> None:
    assert report(*NINE) == report(*reversed(NINE))
    assert report(*NINE).samples == {"public suffix": NINE[:SAMPLES]}
    assert report(*NINE).total == 9
    assert [entry.text for entry in report(*NINE).entries["public suffix"]] == NINE


def test_taking_out_is_the_reverse_of_adding() -> None:
    for names in (NINE[:3], NINE):
        found = report(*names)
        found.remove("public suffix", key_from_text(names[-1]))
        assert found == report(*names[:-1])
    found = report("co.id")
    found.remove("public suffix", key_from_text("co.id"))
    assert found == GuardReport()


def test_what_the_report_cannot_tell_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("blockd.ruleset.gate.guard_report.KEPT", 5)
    with pytest.raises(RulesetError):
        report(*NINE).remove("public suffix", key_from_text(NINE[0]))
    with pytest.raises(RulesetError):
        report("co.id").remove("public suffix", key_from_text("com"))
    with pytest.raises(RulesetError):
        report(*NINE).add_unless_there("public suffix", key_from_text("z.example"))


def test_what_is_not_kept_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("blockd.ruleset.gate.guard_report.KEPT", 5)
    for names in (NINE, NINE[::-1]):
        found = report(*names)
        assert (found.total, [entry.text for entry in found.entries["public suffix"]]) == (9, NINE[:5])
        found.remove("public suffix", key_from_text(NINE[8]))
        assert found.total == 8
    summary = GuardReport.from_json(report(*NINE).to_json())
    summary.add("public suffix", key_from_text("z.example"))
    assert [entry.text for entry in summary.entries["public suffix"]] == NINE[:5]
    summary.add("public suffix", key_from_text("a.example"))
    assert [entry.text for entry in summary.entries["public suffix"]] == ["a.example", *NINE[:4]]
    assert summary.total == 11


def test_what_is_only_reported_is_not_held() -> None:
    found = report("co.id")
    found.add("popular", key_from_text("google.com"), reported=True)
    assert (found.total, found.held, found.holds("popular")) == (2, 1, False)
    assert found.sentence() == (
        "1 entry is held back, the rest is enforced: 1 public suffix (such as co.id); "
        "1 entry is only reported: 1 popular (such as google.com)"
    )
    told = ["reported, popular: 1", "  google.com", "held back, public suffix: 1", "  co.id"]
    assert list(found.text()) == told
    assert found.copy() == found == GuardReport.from_json(json.loads(json.dumps(found.to_json())))
    found.remove("popular", key_from_text("google.com"))
    assert found == report("co.id")


def test_an_entry_that_is_there_is_not_added_again() -> None:
    found = report("co.id")
    found.add_unless_there("public suffix", key_from_text("co.id"))
    found.add_unless_there("public suffix", key_from_text("com"))
    assert found == report("co.id", "com")


def test_a_copy_is_changed_alone() -> None:
    found = report("co.id")
    found.copy().add("protected", key_from_text("com"))
    found.copy().add("public suffix", key_from_text("com"))
    assert found == report("co.id")


@pytest.mark.parametrize("found", [GuardReport(), report("co.id"), report(*NINE), report("co.id", enforced=True)])
def test_a_summary_is_read_back(found: GuardReport) -> None:
    again = GuardReport.from_json(json.loads(json.dumps(found.to_json())))
    assert (again.counts, again.samples, again.enforced) == (found.counts, found.samples, found.enforced)


@pytest.mark.parametrize(
    "reasons",
    [
        None,
        [],
        {"x": 1},
        {"x": {}},
        {"x": {"count": 2, "samples": ["a"]}},
        {"x": {"count": True, "samples": ["a"]}},
        {"x": {"count": 0, "samples": []}},
        {"x": {"count": 1, "samples": 7}},
    ],
)
def test_whatever_is_no_report_is_refused(reasons: object) -> None:
    with pytest.raises(RulesetError):
        GuardReport.from_json({"reasons": reasons})


def test_the_sentence_says_how_many_and_why() -> None:
    found = report("co.id", "github.io")
    found.add("protected", key_from_text("iana.org"))
    assert found.sentence() == (
        "3 entries are held back, the rest is enforced: 2 public suffix (such as co.id), 1 protected (such as iana.org)"
    )
    assert "1 entry is only reported" in report("co.id", enforced=True).sentence()
    assert GuardReport().sentence() == ""


def test_the_report_for_people_is_grouped_by_reason() -> None:
    assert list(report("co.id", "github.io").text()) == ["held back, public suffix: 2", "  co.id", "  github.io"]


def test_entries_of_signed_orders_are_not_counted_as_held() -> None:
    found = report("co.id", enforced=True)
    assert (found.total, found.held) == (1, 0)
