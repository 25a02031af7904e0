from __future__ import annotations

import io
import logging
from collections.abc import Iterator

import pytest

from blockd.daemon.report.log_lines import LineFormatter


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
    assert lines[1] == "Traceback (most recent call last):"
