"""Output as a page shows it, compared with what was printed, but for what is another value each time."""

from __future__ import annotations

import re
from collections.abc import Iterable

# (pattern, what stands for it).
_VOLATILE = (
    (re.compile(r"\b2\d{3}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z"), "TIME"),
    (re.compile(r"\boverride-\d{8}t\d{6}z"), "override-TIME"),
    (re.compile(r"\b[0-9a-f]{12,}\b"), "DIGEST"),
    (re.compile(r"\bid: \d+"), "id: N"),
    (re.compile(r"\bprocess \d+"), "process N"),
    (re.compile(r"\b\d+ s old"), "N s old"),
    (re.compile(r"\b\d+ (?:seconds|minutes|hours|days) old"), "N minutes old"),
    (re.compile(r"\b[\d,]+\.\d [MG]B"), "SIZE"),
    (re.compile(r"\b\d+(?:\.\d)?[KMG]\b(?: free(?:, (?:LOW|SHORT|FULL))?)?"), "SIZE"),
    (re.compile(r"\b[\d,]+\.\d s of"), "N s of"),
    (re.compile(r"\b\d+ workers"), "N workers"),
    (re.compile(r"\b\d+ octets"), "N octets"),
    (re.compile(r"\b\d+ answers are right"), "N answers are right"),
    (re.compile(r"\b[\d,]+ records"), "N records"),
    (re.compile(r"\bopen files: [\d,]+"), "open files: N"),
    (re.compile(r"\b(?:native|python) engine"), "ENGINE"),
    (re.compile(r"\s+"), " "),
)


def missing(shown: str, printed: str) -> list[str]:
    """Return the lines shown that are not among the printed ones, in that order."""
    lines = iter([_steady(line) for line in printed.splitlines()])
    return [line for line in shown.splitlines() if not _comes(_steady(line), lines)]


def _comes(line: str, lines: Iterable[str]) -> bool:
    return any(line == printed for printed in lines)


def _steady(line: str) -> str:
    for pattern, stands_for in _VOLATILE:
        line = pattern.sub(stands_for, line)
    return line.strip()
