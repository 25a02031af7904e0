"""`blockd refresh --dry-run`: what a refresh would change, and nothing is changed."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from blockd.cli import DONE, NO, recent_traffic
from blockd.cli.changes import LIMIT, changes, lines
from blockd.cli.output import show
from blockd.cli.progress import progress_bar
from blockd.cli.recent_traffic import RecentTraffic
from blockd.daemon.dry_run import DryRun, dry_run
from blockd.errors import CommandError, RulesetError
from blockd.ruleset import Ruleset, Versions
from blockd.ruleset.diff import Comparison
from blockd.ruleset.gate_lists import gate_of
from blockd.ruleset.popular import read_popular
from blockd.settings import load


def run(args: argparse.Namespace) -> int:
    """Print what would change; 1 where a feed would be refused."""
    settings = load(args.config)
    known = args.popular or settings.gate.popular
    popular = read_popular(known) if known else []
    versions = Versions(settings.state_dir / "rulesets")
    version = versions.current()
    with tempfile.TemporaryDirectory(prefix="blockd-") as folder, progress_bar() as progress:
        try:
            in_force = None if version is None else Ruleset.open(versions.ruleset(version), verify=False)
            catalogue = in_force.catalogue if in_force else None
            found = dry_run(
                settings, args.feeds, Path(folder), gate=gate_of(settings.gate), in_force=catalogue, progress=progress
            )
            told = _feeds(found, args.feeds or [feed.name for feed in settings.feeds])
            told |= {"version": version, "pinned": versions.pinned(), "names": None, "changes": None, "traffic": None}
            if found.compiled is not None and (catalogue is None or catalogue.made_from != found.made_from):
                new = Ruleset.open(found.compiled, verify=False)
                told["names"] = new.header.names
                if in_force is not None:
                    traffic = RecentTraffic.of_daemon(settings)
                    told["changes"] = changes(Comparison(in_force, new, progress), popular, LIMIT, traffic.see)
                    told["traffic"] = traffic.told()
        except RulesetError as error:
            raise CommandError(f"{error}; nothing was changed") from error
    show(args.json, told, _lines(told))
    return NO if found.refused or found.lost else DONE


def _feeds(found: DryRun, names: list[str]) -> dict[str, Any]:
    feeds: dict[str, dict[str, str]] = {}
    for name in dict.fromkeys([*names, *found.refused, *found.lost]):
        if name in found.refused:
            feeds[name] = {"outcome": "refused", "why": str(found.refused[name])}
        elif name in found.lost:
            feeds[name] = {"outcome": "refused", "why": "what it gave before can no longer be read"}
        else:
            feeds[name] = {"outcome": "new" if name in found.new else "unchanged"}
    return {"feeds": feeds}


def _lines(told: dict[str, Any]) -> Iterator[str]:
    for name, feed in told["feeds"].items():
        yield f"feed {name}: {feed['outcome']}" + (f": {feed['why']}" if "why" in feed else "")
    version = f"version {told['version']}" if told["version"] is not None else "none"
    if told["names"] is None:
        yield f"nothing would change; enforced: {version}"
    else:
        yield f"would be enforced: {told['names']:,} names in place of {version}"
        if told["changes"] is not None:
            yield from lines(told["changes"])
            yield from recent_traffic.lines(told["traffic"])
    if told["pinned"] is not None:
        yield f"version {told['pinned']} is pinned: what is new would wait until `blockd rollback --release`"
    yield "This was a dry run: nothing was changed."
