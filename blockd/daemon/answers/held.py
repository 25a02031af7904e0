"""What waits for an operator's word: entries that the gate holds back, and contents that it refused."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import islice

from blockd.daemon.operator.releases import release_json
from blockd.daemon.update.feed_state import FeedState
from blockd.errors import BadName, CommandError, RulesetError
from blockd.feeds.kinds import kind_of
from blockd.formats.finding.line import Line
from blockd.orders import Scope
from blockd.ruleset import Ruleset, Versions
from blockd.ruleset.gate.guard_report import GuardReport, HeldEntry
from blockd.ruleset.gate.release import Release, key_of_entry, read_releases
from blockd.settings import Settings

LIMIT = 200  # entries of a feed that are told; `blockd held` has more
MOST = 2_000  # entries of all feeds together: a config may have a thousand feeds


@dataclass(frozen=True, slots=True)
class HeldReport:
    """What is held back or reported of a feed: the entries that are told, each with its reason, and their lines."""

    report: GuardReport
    entries: Sequence[tuple[str, HeldEntry]]
    lines: Mapping[str, Line]

    def to_json(self) -> dict[str, object]:
        """Return it as JSON values."""
        report = self.report
        told = [
            {
                "entry": entry.text,
                "scope": Scope(entry.scope).text,
                "reason": reason,
                "held": report.holds(reason),
                "line": asdict(self.lines[entry.text]) if entry.text in self.lines else None,
            }
            for reason, entry in self.entries
        ]
        reported, more = report.total - report.held, report.total - len(told)
        return {"held": report.held, "reported": reported, "entries": told, "more": more}


@dataclass(frozen=True, slots=True)
class AwaitingReview:
    """What is held back or reported of the version in force, what is let through, and what may be accepted, by feed.

    `version` is None if there is none, or if it is not recorded what was held back of it.
    """

    version: int | None
    reports: Mapping[str, HeldReport]
    releases: tuple[Release, ...]
    refused: Mapping[str, Mapping[str, object]]

    def to_json(self) -> dict[str, object]:
        """Return it as JSON values."""
        return {
            "version": self.version,
            "feeds": {name: found.to_json() for name, found in self.reports.items()},
            "releases": [release_json(release) for release in self.releases],
            "refused": {name: dict(content) for name, content in self.refused.items()},
        }


def waiting_at(settings: Settings, refused: Mapping[str, Mapping[str, object]], feed: str = "") -> AwaitingReview:
    """Return what waits, of one feed if it is named; raises CommandError if the state folder is damaged.

    Of one feed at most LIMIT entries are told, and of all together MOST. Reads the lists that have them.
    """
    versions = Versions(settings.state_dir / "rulesets")
    version, releases = versions.current(), tuple(read_releases(settings.state_dir))
    reports = versions.held(version) if version is not None else None
    refused = {name: content for name, content in refused.items() if feed in ("", name)}
    if version is None or reports is None:
        return AwaitingReview(None, {}, releases, refused)
    wanted = {name: report for name, report in reports.items() if feed in ("", name)}
    return AwaitingReview(version, held_reports(settings, versions, version, wanted, LIMIT, MOST), releases, refused)


def held_reports(
    settings: Settings,
    versions: Versions,
    version: int,
    reports: Mapping[str, GuardReport],
    limit: int | None = None,
    most: int | None = None,
) -> dict[str, HeldReport]:
    """Return what is reported of a version, by feed, with lines; raises CommandError if it is damaged.

    At most `limit` entries of a feed are told, and `most` of all; None for all that are kept.
    """
    found, left = {}, most
    digests = _digests(versions, version) if any(report.total for report in reports.values()) else {}
    for name, report in reports.items():
        if not report.total:
            continue
        room = limit if left is None else min(left, limit if limit is not None else left)
        every = ((reason, entry) for reason, _ in report.reasons() for entry in report.entries[reason])
        entries = list(islice(every, room))
        left = None if left is None else left - len(entries)
        lines = _lines_of(settings, name, [entry for _, entry in entries], digests.get(name, ""))
        found[name] = HeldReport(report, entries, lines)
    return found


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


def _lines_of(settings: Settings, name: str, entries: Sequence[HeldEntry], digest: str) -> dict[str, Line]:
    """Return the lines of entries, by their text; none if the feed's content is not the one that the version has."""
    feed = next((feed for feed in settings.feeds if feed.name == name), None)
    folder = settings.state_dir / "feeds" / name
    if feed is None or not entries or FeedState.load(folder).accepted_digest != digest:
        return {}
    keys = {}
    for entry in entries:
        with contextlib.suppress(BadName):
            keys[key_of_entry(entry.text)] = entry.text
    return {keys[key]: line for key, line in kind_of(feed).lines_of(feed, folder, list(keys)).items()}
