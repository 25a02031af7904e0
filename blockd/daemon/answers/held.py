"""What waits for an operator's word: entries that the gate holds back, and contents that it refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from blockd.daemon.operator.releases import release_json
from blockd.daemon.update.feed_state import FeedState
from blockd.errors import BadName, CommandError, RulesetError
from blockd.feeds.kinds import kind_of
from blockd.formats.finding.line import Line
from blockd.orders import Scope
from blockd.ruleset import Ruleset, Versions
from blockd.ruleset.gate.guard_report import GuardReport
from blockd.ruleset.gate.release import Release, key_of_entry, read_releases
from blockd.settings import Settings

LIMIT = 200  # entries of a feed that are told; `blockd held` has more


@dataclass(frozen=True, slots=True)
class HeldReport:
    """What is held back or reported of a feed, with the lines of its accepted content by entry."""

    report: GuardReport
    lines: Mapping[str, Line]

    def to_json(self, limit: int | None) -> dict[str, object]:
        """Return it as JSON values, with at most `limit` entries."""
        report = self.report
        entries = [
            {
                "entry": entry.text,
                "scope": Scope(entry.scope).text,
                "reason": reason,
                "held": report.holds(reason),
                "line": asdict(self.lines[entry.text]) if entry.text in self.lines else None,
            }
            for reason, _ in report.reasons()
            for entry in report.entries[reason]
        ][:limit]
        reported, more = report.total - report.held, report.total - len(entries)
        return {"held": report.held, "reported": reported, "entries": entries, "more": more}


@dataclass(frozen=True, slots=True)
class Waiting:
    """What is held back or reported of the version in force, what is let through, and what may be accepted, by feed.

    `version` is None if there is none, or if it is not recorded what was held back of it. `limit` is how many entries
    of a feed are told.
    """

    version: int | None
    reports: Mapping[str, HeldReport]
    releases: tuple[Release, ...]
    refused: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    limit: int | None = LIMIT

    def to_json(self) -> dict[str, object]:
        """Return it as JSON values."""
        return {
            "version": self.version,
            "feeds": {name: found.to_json(self.limit) for name, found in self.reports.items()},
            "releases": [release_json(release) for release in self.releases],
            "refused": {name: dict(content) for name, content in self.refused.items()},
        }


def waiting_at(settings: Settings, refused: Mapping[str, Mapping[str, object]]) -> Waiting:
    """Return what waits, from the state folder; raises CommandError if that is damaged. Reads the lists."""
    versions = Versions(settings.state_dir / "rulesets")
    version, releases = versions.current(), tuple(read_releases(settings.state_dir))
    reports = versions.held(version) if version is not None else None
    if version is None or reports is None:
        return Waiting(None, {}, releases, refused)
    return Waiting(version, held_reports(settings, versions, version, reports), releases, refused)


def held_reports(
    settings: Settings, versions: Versions, version: int, reports: Mapping[str, GuardReport]
) -> dict[str, HeldReport]:
    """Return what is reported of a version, by feed, with lines; raises CommandError if it is damaged."""
    found = {name: report for name, report in reports.items() if report.total}
    digests = _digests(versions, version) if found else {}
    return {
        name: HeldReport(report, _lines_of(settings, name, report, digests.get(name, "")))
        for name, report in found.items()
    }


def _digests(versions: Versions, version: int) -> dict[str, str]:
    """Return the digests of the contents that a version was made of, by feed."""
    try:
        ruleset = Ruleset.open(versions.ruleset(version), verify=False)
    except RulesetError as error:
        raise CommandError(str(error)) from error
    try:
        return {record.name: record.digest for record in ruleset.catalogue.feeds}
    finally:
        ruleset.close()


def _lines_of(settings: Settings, name: str, report: GuardReport, digest: str) -> dict[str, Line]:
    """Return the lines of entries, by their text; none if the feed's content is not the one that the version has."""
    feed = next((feed for feed in settings.feeds if feed.name == name), None)
    folder = settings.state_dir / "feeds" / name
    if feed is None or FeedState.load(folder).accepted_digest != digest:
        return {}
    keys = {}
    for entries in report.entries.values():
        for entry in entries:
            try:
                keys[key_of_entry(entry.text)] = entry.text
            except BadName:
                continue
    return {keys[key]: line for key, line in kind_of(feed).lines_of(feed, folder, list(keys)).items()}
