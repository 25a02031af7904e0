"""What waits for an operator's word: entries that the gate holds back, and contents that it refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from blockd.daemon.operator.releases import release_json
from blockd.orders import Scope
from blockd.ruleset import Versions
from blockd.ruleset.gate.guard_report import GuardReport
from blockd.ruleset.gate.release import Release, read_releases

LIMIT = 200  # entries of a feed that are told; `blockd held` has more


@dataclass(frozen=True, slots=True)
class Waiting:
    """What is held back or reported of the version in force, what is let through, and what may be accepted, by feed.

    `version` is None if there is none, or if it is not recorded what was held back of it.
    """

    version: int | None
    reports: Mapping[str, GuardReport]
    releases: tuple[Release, ...]
    refused: Mapping[str, Mapping[str, object]]

    @classmethod
    def read(cls, folder: Path, versions: Versions, refused: Mapping[str, Mapping[str, object]]) -> Waiting:
        """Read it from the state folder; raises CommandError if the releases are damaged."""
        version = versions.current()
        reports = versions.held(version) if version is not None else None
        return cls(version if reports is not None else None, reports or {}, tuple(read_releases(folder)), refused)

    def to_json(self) -> dict[str, object]:
        """Return it as JSON values."""
        return {
            "version": self.version,
            "feeds": {name: _report(report) for name, report in self.reports.items() if report.total},
            "releases": [release_json(release) for release in self.releases],
            "refused": {name: dict(content) for name, content in self.refused.items()},
        }


def _report(report: GuardReport) -> dict[str, object]:
    entries = [
        {"entry": entry.text, "scope": Scope(entry.scope).text, "reason": reason, "held": report.holds(reason)}
        for reason, _ in report.reasons()
        for entry in report.entries[reason][:LIMIT]
    ][:LIMIT]
    held, total = report.held, report.total
    return {"held": held, "reported": total - held, "entries": entries, "more": total - len(entries)}
