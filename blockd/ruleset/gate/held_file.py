"""The complete record of what is held back, in a file: one beside each version, and one for each feed's content.

    {"format": 1, "reports": {"national": {"enforced": false, "reasons": {"public suffix":
        {"count": 2, "reported": false, "entries": [["co.id", 3], ["github.io", 3]]}}}}}

`entries` are those that `GuardReport` keeps, each with its scope; `count` is of all. If the file would be too large,
entries are left out, and the counts stay true. A file that is damaged counts as none.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from blockd.files import read_kept, replace_file
from blockd.ruleset.gate.guard_report import KEPT, MAX_REASON, GuardReport, HeldEntry

FORMAT = 1
MAX_FILE = 64 << 20  # octets
_MAX_TEXTS = MAX_FILE // 4  # characters of all entries together; escaped, they and what is around them fit


def write_reports(path: Path, reports: Mapping[str, GuardReport]) -> None:
    """Write reports by feed to `path`, which is replaced atomically; raises OSError."""
    left = _MAX_TEXTS
    told = {}
    for name, report in reports.items():
        told[name], left = _to_json(report, left)
    replace_file(path, json.dumps({"format": FORMAT, "reports": told}).encode())


def read_reports(path: Path) -> dict[str, GuardReport] | None:
    """Return the reports in the file at `path`, by feed; None if it is missing or damaged."""
    try:
        told = json.loads(read_kept(path, MAX_FILE))
        if told["format"] != FORMAT:
            return None
        return {str(name): _report(fields) for name, fields in told["reports"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def _to_json(report: GuardReport, left: int) -> tuple[dict[str, object], int]:
    """Return a report as JSON values, and how many characters are left of the `left` that its entries may take."""
    reasons: dict[str, object] = {}
    for reason, count in report.reasons():
        entries = []
        for entry in report.entries[reason]:
            left -= len(entry.text) + 8
            if left < 0:
                break
            entries.append(entry)
        reasons[reason] = {"count": count, "reported": reason in report.reported, "entries": entries}
    return {"enforced": report.enforced, "reasons": reasons}, left


def _report(fields: Mapping[str, Any]) -> GuardReport:
    """Return a report that was read back; raises TypeError, ValueError, KeyError or AttributeError if it is none."""
    report = GuardReport(enforced=fields["enforced"] is True)
    for reason, found in fields["reasons"].items():
        entries = [HeldEntry(text, scope) for text, scope in found["entries"][:KEPT]]
        count = found["count"]
        if not all(isinstance(entry.text, str) and entry.scope in (1, 2, 3) for entry in entries):
            raise TypeError("expected entries")
        if type(count) is not int or count < max(1, len(entries)) or entries != sorted(entries):
            raise ValueError("expected a count, and entries in order")
        report.counts[reason[:MAX_REASON]], report.entries[reason[:MAX_REASON]] = count, entries
        if found["reported"] is True:
            report.reported.add(reason[:MAX_REASON])
    return report
