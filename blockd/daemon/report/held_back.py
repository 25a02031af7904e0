"""What the gate held back of the version in force, as it is recorded beside the version."""

from __future__ import annotations

from collections.abc import Mapping

from blockd.daemon.update.managed_feed import ManagedFeed
from blockd.ruleset import Enforced, Versions
from blockd.ruleset.gate.guard_report import GuardReport


class HeldBack:
    """Reads the record of a version once."""

    def __init__(self, versions: Versions) -> None:
        self._versions = versions
        self._version: int | None = None
        self._reports: Mapping[str, GuardReport] = {}

    def of(self, managed: ManagedFeed, enforced: Enforced | None) -> GuardReport:
        """Return what is held back of a feed; of its accepted content if the version in force has no record."""
        reports = self.reports(enforced)
        if reports is None:
            return managed.state.held or GuardReport()
        return reports.get(managed.source.feed.name) or GuardReport()

    def reports(self, enforced: Enforced | None) -> Mapping[str, GuardReport] | None:
        """Return what is held back in the version in force, by feed; None if it has no record."""
        if enforced is not None and enforced.version != self._version:
            reports = self._versions.held(enforced.version)
            self._version, self._reports = (None, {}) if reports is None else (enforced.version, reports)
        return None if enforced is None or self._version is None else self._reports
