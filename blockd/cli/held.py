"""`blockd held`: every entry that the gate holds back, with its line and the reason; and what lets one through."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

from blockd.cli import DONE, NO
from blockd.cli.admin_client import ask
from blockd.cli.output import show
from blockd.daemon.answers.held import held_reports
from blockd.daemon.operator.releases import release_json
from blockd.errors import CommandError
from blockd.ruleset import Versions
from blockd.ruleset.gate.release import read_releases
from blockd.settings import Settings, load

SECONDS = 900.0  # for compiling beside the largest lists


def run(args: argparse.Namespace) -> int:
    """Print what is held back, 1 if nothing is; or make a change, 1 if it is not enforced yet."""
    if args.part is None:
        return _list(args, load(args.config))
    asked = {"name": args.name, "reason": args.reason}
    if args.part == "release":
        asked["as"] = args.officer
    changed: dict[str, Any] = ask(args.config, "/api/v1/held", {args.part: asked}, SECONDS)
    show(args.json, changed, _changed(changed))
    return DONE if changed.get("outcome") == "enforced" else NO


def _changed(told: dict[str, Any]) -> Iterator[str]:
    yield f"{told['entry']}: {'held back again' if told['over'] else 'let through'} if a list has it"
    yield f"  {told['ended_reason'] or told['reason']}" + (f", by {told['officer']}" if told["officer"] else "")
    if told.get("outcome") == "enforced":
        yield f"  enforced: version {told['version']}"
    else:
        yield f"  saved, but not enforced yet: {told.get('why') or 'no list is enforced'}"


def _list(args: argparse.Namespace, settings: Settings) -> int:
    known = [feed.name for feed in settings.feeds]
    if args.feed is not None and args.feed not in known:
        raise CommandError(f"There is no feed {args.feed!r}; configured are: {', '.join(known) or 'none'}.")
    versions = Versions(settings.state_dir / "rulesets")
    version = versions.needed()
    reports = versions.held(version)
    if reports is None:
        raise CommandError(
            f"what was held back of version {version} is not recorded: an earlier blockd made it, or {versions.folder} "
            "is damaged. The next version has it; `blockd check` shows it too"
        )
    wanted = {name: report for name, report in reports.items() if args.feed in (None, name)}
    found = held_reports(settings, versions, version, wanted)
    told = {
        "version": version,
        "feeds": {name: feed.to_json() for name, feed in found.items()},
        "releases": [release_json(release) for release in read_releases(settings.state_dir)],
    }
    show(args.json, told, _lines(told))
    return DONE if any(feed.report.held for feed in found.values()) else NO


def _lines(told: dict[str, Any]) -> Iterator[str]:
    for name, feed in told["feeds"].items():
        yield f"feed {name}: {feed['held']:,} held back, {feed['reported']:,} only reported"
        for entry in feed["entries"]:
            line = f", line {entry['line']['number']:,}: {entry['line']['text']}" if entry["line"] else ""
            what = "held back" if entry["held"] else "reported"
            yield f"  {entry['entry']} ({entry['scope']}): {what}, {entry['reason']}{line}"
        if feed["more"]:
            yield f"  and {feed['more']:,} more, which are counted only"
    if not told["feeds"]:
        yield f"nothing is held back or reported of version {told['version']}"
    for release in told["releases"]:
        by = f", by {release['officer']}" if release["officer"] else ""
        yield f"released: {release['entry']} since {release['created']}{by}: {release['reason']}"
    if any(feed["held"] for feed in told["feeds"].values()):
        yield "To let one through: blockd held release ENTRY --reason TEXT"
