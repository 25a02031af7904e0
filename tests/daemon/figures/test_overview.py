"""The overview: one sentence and the next step, in both languages, for every alarm that there is."""

from __future__ import annotations

import re
from pathlib import Path

from blockd.daemon.figures.alarm_words import WORDS
from blockd.daemon.figures.overview import ALL_IS_WELL, overview
from blockd.daemon.report.alarms import Alarm
from tests.places import ROOT
from tests.ruleset.lists import enforced, feed, listing, order

STALE = Alarm("BlockdFeedStale", "warning", "ministry", "It is old.", "all of it", "Ask.")
DOWN = Alarm("BlockdNoUpstream", "critical", "", "No upstream is up.", "blocks", "Check the network.")
PINNED = Alarm("BlockdPinned", "info", "", "An operator went back.", "version 2", "Release.")


def test_every_alarm_has_its_words_in_indonesian() -> None:
    source = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "blockd").rglob("*.py"))
    told = {name for name, _ in re.findall(r'"(Blockd\w+)",\s*"(critical|warning|info)"', source)}
    assert sorted(told - set(WORDS)) == []


def test_where_all_is_well_it_says_what_is_enforced(tmp_path: Path) -> None:
    subject = enforced(tmp_path, feed("f", listing(order("a"), "a.example", "b.example")))
    found = overview(subject, [PINNED], 1_795_521_600.0)
    assert (found.level, found.version, found.names, found.since) == ("ok", 1, 2, "2026-11-24T12:00:00Z")
    assert found.sentence.en == "Version 1 is enforced: 2 names."
    assert found.sentence.id == "Versi 1 diberlakukan: 2 nama."
    assert (found.next_step, found.command) == (ALL_IS_WELL, "")
    assert [alarm.name for alarm in found.alarms] == ["BlockdPinned"], "information is shown, and is no alarm"


def test_both_languages_tell_networks_and_nothing_twice_while_nothing_is_enforced(tmp_path: Path) -> None:
    subject = enforced(tmp_path, feed("f", listing(order("a"), "a.example", "192.0.2.0/24", "198.51.100.0/24")))
    found = overview(subject, [], 0.0)
    assert found.sentence.en == "Version 1 is enforced: 1 names, 2 networks."
    assert found.sentence.id == "Versi 1 diberlakukan: 1 nama, 2 jaringan."
    starting = Alarm("BlockdNotReady", "critical", "", "No list is enforced yet.", "nothing", "Wait.")
    found = overview(None, [starting, PINNED], 0.0)
    assert (found.sentence.en, found.sentence.id) == ("No list is enforced yet.", "Belum ada daftar yang diberlakukan.")
    assert "kritis" in overview(None, [starting, STALE], 0.0).sentence.id


def test_a_feed_whose_content_cannot_be_accepted_is_not_said_to_be_acceptable() -> None:
    todo = "`blockd accept ministry --show` shows what it would change; if that is right, `blockd accept` takes it."
    found = overview(None, [Alarm("BlockdFeedRefused", "warning", "ministry", "It shrank.", "all of it", todo)], 0.0)
    assert found.command == "blockd accept ministry --show"
    assert "terima" in found.next_step.id
    todo = "`blockd check` shows what is wrong; inform the publisher of the list."
    found = overview(None, [Alarm("BlockdFeedRefused", "warning", "ministry", "No HTTP.", "all of it", todo)], 0.0)
    assert found.command == "blockd check"
    assert "terima" not in found.next_step.id


def test_indonesian_texts_call_things_as_the_manual_does() -> None:
    texts = " ".join(path.read_text(encoding="utf-8") for path in (ROOT / "blockd/daemon/figures").glob("*.py"))
    others = re.findall(r"(?i)\b(?:sumber daftar|pekerja|pengecualian|diterapkan|dikunci)\b", texts)
    assert others == [], "feed, worker, override, diberlakukan and disematkan"


def test_the_gravest_alarm_is_the_sentence_and_its_next_step_what_to_do() -> None:
    found = overview(None, [DOWN, STALE, PINNED], 0.0)
    assert found.level == "alarm"
    assert found.sentence.en == (
        "No list is enforced yet; 1 critical and 1 warning alarms, the first: No upstream is up."
    )
    assert found.sentence.id == (
        "Belum ada daftar yang diberlakukan; 1 alarm kritis dan 1 peringatan, yang pertama: Tidak ada upstream yang "
        "menjawab."
    )
    assert (found.next_step.en, found.command) == ("Check the network.", "blockd doctor")
    found = overview(None, [STALE], 0.0)
    assert (found.level, found.command) == ("attention", "blockd refresh ministry")
    assert found.sentence.en.endswith("feed ministry: It is old.")
    assert "ministry" in found.sentence.id


def test_an_alarm_without_words_is_told_in_english() -> None:
    unknown = Alarm("BlockdNew", "critical", "", "Something new.", "all of it", "See the log.")
    found = overview(None, [unknown], 0.0)
    assert found.sentence.id.endswith("Something new.")
    assert (found.next_step.id, found.command) == ("See the log.", "blockd status")
