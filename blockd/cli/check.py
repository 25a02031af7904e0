"""`blockd check`: the config and every list that it names, all errors at once, before anything is started."""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from blockd.cli import DONE, NO
from blockd.cli.fetching import fetched
from blockd.cli.output import show
from blockd.compile.build import Built, build
from blockd.daemon.enforced_gate import enforced_gate
from blockd.errors import FeedRefused, RulesetError
from blockd.ruleset import Catalogue, Ruleset, Versions
from blockd.settings import Settings, load

HELP = "check the config and its lists; nothing is started or changed"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add nothing beyond the common options."""


def run(args: argparse.Namespace) -> int:
    """Print what a start would find; 1 if a feed would be refused, 2 for a config error, as everywhere."""
    settings = load(args.config)
    in_force = _in_force(settings)
    with tempfile.TemporaryDirectory(prefix="blockd-") as folder:
        candidates, refused = fetched(settings.feeds, Path(folder))
        built = build(
            candidates,
            Path(folder) / "compiled",
            gate=enforced_gate(settings),
            in_force=in_force,
            created=int(time.time()),
            randomness=os.urandom,
        )
        names = built.header.names if built.header else 0
    refused.update(built.refused)
    told = {
        "config": str(args.config),
        "names": names,
        "feeds": [feed.name for feed in settings.feeds],
        "refused": {name: {"reason": error.reason, "why": str(error)} for name, error in refused.items()},
        "rejects": {name: report.to_json() for name, report in built.rejects.items()},
        "held": {name: report.to_json() for name, report in built.held.items()},
    }
    show(args.json, told, _lines(args.config, settings, names, refused, built))
    return NO if refused else DONE


def _lines(
    config: Path, settings: Settings, names: int, refused: dict[str, FeedRefused], built: Built
) -> Iterator[str]:
    yield f"{config} is good."
    for feed in settings.feeds:
        if feed.name in refused:
            error = refused[feed.name]
            yield f"feed {feed.name} would be refused ({error.reason}): {error}"
        elif feed.name in built.rejects:
            report = built.rejects[feed.name]
            yield f"feed {feed.name} is good: {report.accepted:,} names, {report.rejected:,} lines rejected"
            yield from (f"feed {feed.name}, a warning: {sentence}" for sentence in report.warnings)
        else:
            yield f"feed {feed.name} is good."
        if feed.name in built.held and built.held[feed.name].total:
            yield f"  {built.held[feed.name].sentence()}"
    yield f"A start would enforce {names:,} names."


def _in_force(settings: Settings) -> Catalogue | None:
    """Return the catalogue that a running daemon's gate would compare with."""
    versions = Versions(settings.state_dir / "rulesets")
    version = versions.current()
    if version is None:
        return None
    try:
        ruleset = Ruleset.open(versions.ruleset(version), verify=False)
    except RulesetError:
        return None
    try:
        return ruleset.catalogue
    finally:
        ruleset.close()
