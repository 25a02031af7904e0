"""`blockd upgrade`: have another version take the place of the running one, and wait until it serves, or try it."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

from blockd.cli import DONE, NO
from blockd.cli.admin_client import DaemonWays, RunningDaemon
from blockd.cli.asking.standing import ended
from blockd.cli.output import show

PATH = "/api/v1/upgrade"
TRY_SECONDS = 190.0  # for what a reload replaced to end, and the new program to try itself
TAKE_SECONDS = 180.0  # for it to serve, or for the one before to go on
GOOD = ("taken", "tried")
UNDER_WAY = ("trying", "taking")


def run(args: argparse.Namespace) -> int:
    """Print what came of it; 1 if the version before goes on."""
    daemon = RunningDaemon(DaemonWays(args.config))
    told = daemon.ask(PATH, {"program": args.program, "dry_run": args.dry_run, "reason": args.reason}, TRY_SECONDS)
    told = ended(daemon, PATH, told, UNDER_WAY, TAKE_SECONDS)
    show(args.json, told, _lines(told))
    return DONE if told["outcome"] in GOOD else NO


def _lines(told: dict[str, Any]) -> Iterator[str]:
    """Yield it as lines for people."""
    outcome = told["outcome"]
    if outcome == "taken":
        yield f"Version {told['after']} has taken the place of version {told['before']}."
    elif outcome == "tried":
        yield f"Version {told['after']} could take the place of version {told['before']}; nothing was changed."
    else:
        has_not = "could not take" if told["dry_run"] else "has not taken"
        yield f"Version {told['before']} goes on: {told['after'] or 'the other one'} {has_not} its place."
    yield from (f"  {problem}" for problem in told["problems"])
