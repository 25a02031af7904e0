"""`blockd refresh --dry-run`: what a refresh would change, and nothing is changed."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from blockd.cli import DONE, NO, recent_traffic
from blockd.cli.changes import held_lines, lines
from blockd.cli.grammar.operator import NAMES_SHOWN
from blockd.cli.output import show
from blockd.cli.progress import progress_bar
from blockd.cli.recent_traffic import RecentTraffic, TrafficShare
from blockd.daemon.enforced_gate import enforced_gate
from blockd.daemon.results import FeedOutcome
from blockd.daemon.update.dry_run import dry_run
from blockd.errors import CommandError, RulesetError
from blockd.ruleset import Ruleset, Versions
from blockd.ruleset.counts import totals
from blockd.ruleset.versions.changes import PopularNames, changes, held_changes
from blockd.ruleset.versions.diff import Comparison
from blockd.settings import load


@dataclass(frozen=True, slots=True)
class DryRunResult:
    """What a refresh would bring; `names`, `networks`, `changes` and `traffic` are None if nothing would change."""

    feeds: Mapping[str, FeedOutcome]
    version: int | None  # in force
    pinned: int | None
    names: int | None = None  # of the ruleset that would be enforced
    networks: int | None = None
    changes: Mapping[str, Any] | None = None
    traffic: TrafficShare | None = None

    def to_json(self) -> dict[str, object]:
        """Return it as JSON values."""
        return {
            "feeds": {name: outcome.to_json() for name, outcome in self.feeds.items()},
            "version": self.version,
            "pinned": self.pinned,
            "names": self.names,
            "networks": self.networks,
            "changes": self.changes,
            "traffic": self.traffic.to_json() if self.traffic else None,
        }


def run(args: argparse.Namespace) -> int:
    """Print what would change; 1 if a feed would be refused."""
    settings = load(args.config)
    popular = PopularNames.chosen(args.popular, settings.gate)
    versions = Versions(settings.state_dir / "rulesets")
    version = versions.current()
    with tempfile.TemporaryDirectory(prefix="blockd-") as folder, progress_bar() as progress:
        try:
            in_force = None if version is None else Ruleset.open(versions.ruleset(version), verify=False)
            catalogue = in_force.catalogue if in_force else None
            found = dry_run(
                settings, args.feeds, Path(folder), gate=enforced_gate(settings), in_force=catalogue, progress=progress
            )
            feeds = found.outcomes(args.feeds or [feed.name for feed in settings.feeds])
            result = DryRunResult(feeds, version, versions.pinned())
            if found.compiled is not None and (catalogue is None or catalogue.made_from != found.made_from):
                new = Ruleset.open(found.compiled, verify=False)
                result = replace(result, names=new.header.names, networks=new.header.networks)
                if in_force is not None:
                    traffic = RecentTraffic.of_daemon(settings)
                    told = changes(Comparison(in_force, new, progress), popular, NAMES_SHOWN, traffic.see)
                    told["held"] = held_changes(versions.held(version or 0) or {}, found.held, NAMES_SHOWN)
                    result = replace(result, changes=told, traffic=traffic.share())
        except RulesetError as error:
            raise CommandError(f"{error}; nothing was changed") from error
    show(args.json, result.to_json(), _lines(result))
    return NO if found.refused or found.lost else DONE


def _lines(result: DryRunResult) -> Iterator[str]:
    for name, outcome in result.feeds.items():
        yield f"feed {name}: {outcome.outcome}" + (f": {outcome.why}" if outcome.why else "")
    version = f"version {result.version}" if result.version is not None else "none"
    if result.names is None:
        yield f"nothing would change; enforced: {version}"
    else:
        yield f"would be enforced: {totals(result.names, result.networks or 0)} in place of {version}"
        if result.changes is not None:
            yield from lines(result.changes)
            yield from held_lines(result.changes["held"])
            yield from recent_traffic.lines(result.traffic)
    if result.pinned is not None:
        yield f"version {result.pinned} is pinned: what is new would wait until `blockd rollback --release`"
    yield "This was a dry run: nothing was changed."
