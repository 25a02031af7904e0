from __future__ import annotations

import io
import json
import logging
import math
import os
import sys
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blockd.daemon.process_name import role_of_process
from blockd.daemon.report.log_lines import JsonFormatter, LineFormatter, PriorityFormatter, in_form, is_journal
from blockd.settings.log import LogSettings


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """What a logger of the daemon's format writes."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(LineFormatter())
    log = logging.getLogger("tests.lines")
    log.addHandler(handler)
    log.propagate = False
    yield stream
    log.removeHandler(handler)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Ministry\n2026-11-24T12:00:00+0000 ERROR forged", r"Ministry\n2026-11-24T12:00:00+0000 ERROR forged"),
        ("\x1b[2Jgone", r"\x1b[2Jgone"),
        ("right\u202eleft", r"right\u202eleft"),
        ("Kementerian Komunikasi, 通信部", "Kementerian Komunikasi, 通信部"),
    ],
    ids=range(4),
)
def test_text_of_others_stays_on_the_line_of_its_message(written: io.StringIO, text: str, shown: str) -> None:
    logging.getLogger("tests.lines").warning("Order %s of %s is in force.", "order-1", text)
    (line,) = written.getvalue().splitlines()
    assert line.endswith(f" WARNING Order order-1 of {shown} is in force.")


def test_half_of_a_character_is_escaped() -> None:
    record = logging.LogRecord("tests.lines", logging.WARNING, "", 0, "Order of %s.", ("half " + chr(0xD83D),), None)
    assert LineFormatter().format(record).endswith(r" WARNING Order of half \ud83d.")


def test_traceback_of_a_fault_stays_below_its_message(written: io.StringIO) -> None:
    try:
        raise ValueError("a fault")
    except ValueError:
        logging.getLogger("tests.lines").exception("It failed.")
    lines = written.getvalue().splitlines()
    assert lines[0].endswith("ERROR It failed.")
    assert lines[1] == "    Traceback (most recent call last):"


def record(text: str, *values: object, level: int = logging.WARNING) -> logging.LogRecord:
    return logging.LogRecord("tests.lines", level, "", 0, text, values, None)


def failed(text: str) -> logging.LogRecord:
    """Return the record of a failure whose error has a text of somebody else."""
    found = record("It failed.", level=logging.ERROR)
    try:
        raise ValueError(text)
    except ValueError:
        found.exc_info = sys.exc_info()
    return found


FORGED = "x\n2026-11-24T12:00:00+0000 INFO Version 9 is enforced by every worker.\n<0>panic\r\n\x1b[2J"


def test_no_line_of_a_traceback_looks_like_a_message() -> None:
    first, *below = LineFormatter().format(failed(FORGED)).split("\n")
    assert first.endswith(" ERROR It failed.")
    assert any("Version 9" in line for line in below)
    assert all(line.startswith("    ") for line in below)
    assert all(line.isprintable() for line in below)


class TestJson:
    def told(self, found: logging.LogRecord) -> dict[str, Any]:
        line = JsonFormatter().format(found)
        assert is_shown(line)
        told = json.loads(line)
        assert isinstance(told, dict)
        return told

    def test_a_message_has_its_time_level_process_and_fields(self) -> None:
        found = record("Version %d of %s is %s.", 7, Path("/a"), math.nan)
        found.created, found.process = 1_764_000_000.25, 4711
        assert self.told(found) == {
            "time": "2025-11-24T16:00:00.250Z",
            "level": "WARNING",
            "process": role_of_process(),
            "pid": 4711,
            "logger": "tests.lines",
            "message": "Version 7 of /a is nan.",
            "fields": {"template": "Version %d of %s is %s.", "values": [7, "/a", "nan"]},
        }

    def test_a_traceback_is_a_list_of_lines(self) -> None:
        lines = self.told(failed(FORGED))["fields"]["traceback"]
        assert lines[0] == "Traceback (most recent call last):"
        assert "<0>panic\\r" in lines

    @given(st.text(), st.text(), st.dictionaries(st.text(), st.text(), max_size=2))
    def test_any_text_is_one_line_with_what_can_be_shown_of_it(self, one: str, other: str, third: object) -> None:
        for found in (record("%s of %s: %s", one, other, third), record(one), failed(one)):
            assert all(map(is_shown, texts_in(self.told(found))))

    def test_text_for_people_at_standard_output_is_one_object_too(self) -> None:
        line = in_form(["blockd 1", "Try:"], LogSettings(format="json"), "tests", 0.0)
        told = json.loads(line)
        assert (told["message"], told["fields"]) == ("blockd 1", {"lines": ["blockd 1", "Try:"]})
        assert in_form(["blockd 1", "Try:"], LogSettings(), "tests", 0.0) == "blockd 1\nTry:"


def is_shown(text: str) -> bool:
    """Return whether a text has only characters that are seen, and spaces."""
    return all(char.isprintable() or unicodedata.category(char) == "Zs" for char in text)


def texts_in(told: object) -> Iterator[str]:
    """Yield every text in JSON values."""
    if isinstance(told, str):
        yield told
    elif isinstance(told, dict | list):
        for one in [*told, *told.values()] if isinstance(told, dict) else told:
            yield from texts_in(one)


@pytest.mark.parametrize("formatter", [LineFormatter(), JsonFormatter()], ids=["text", "json"])
def test_a_line_is_shorter_than_the_journal_allows(formatter: logging.Formatter) -> None:
    long = '"' * 5_000 + "通" * 100_000
    found = failed(long)
    found.msg, found.args = "%s" * 20 + long, (long,) * 20
    for line in formatter.format(found).split("\n"):
        assert len(line.encode()) < 48 * 1024


class TestPriorities:
    def test_each_line_has_the_priority_of_its_message(self) -> None:
        levels = {logging.DEBUG: "<7>", logging.INFO: "<6>", logging.WARNING: "<4>", logging.ERROR: "<3>", 50: "<2>"}
        for level, priority in levels.items():
            line = PriorityFormatter(LineFormatter()).format(record("<0>It is so.", level=level))
            assert line.startswith(f"{priority}20")
        lines = PriorityFormatter(LineFormatter()).format(failed(FORGED)).split("\n")
        assert len(lines) > 4
        assert {line[:4] for line in lines} == {"<3>2", "<3> "}

    def test_only_the_stream_that_the_journal_names_is_the_journals(self) -> None:
        mine, theirs = os.pipe()
        try:
            found = os.fstat(theirs)
            assert is_journal(theirs, {"JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino}"})
            assert not is_journal(theirs, {"JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino + 1}"})
            for wrong in ("", "1", ":", "a:b", "1:2:3", "²:1"):
                assert not is_journal(theirs, {"JOURNAL_STREAM": wrong})
            assert not is_journal(theirs, {})
        finally:
            os.close(mine)
            os.close(theirs)
        assert not is_journal(theirs, {"JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino}"})
