"""`blockd refresh`: fetch now and print the result, or with --dry-run what it would be."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

from blockd.cli import DONE, NO
from blockd.cli.admin_client import ask
from blockd.cli.output import show
from blockd.errors import CommandError

SECONDS = 900.0  # for fetching and compiling the largest list


def run(args: argparse.Namespace) -> int:
    """Print the outcome of each feed; 1 if one was refused."""
    if args.dry_run:
        from blockd.cli import dry_run  # which compiles, and needs more than asking the daemon does

        return dry_run.run(args)
    if args.popular:
        raise CommandError("--popular goes with --dry-run; nothing was fetched")
    body = {"feeds": args.feeds} if args.feeds else {}
    told = ask(args.config, "/api/v1/refresh", body, SECONDS)
    show(args.json, told, _lines(told))
    return NO if any(feed["outcome"] == "refused" for feed in told["feeds"].values()) else DONE


def _lines(told: dict[str, Any]) -> Iterator[str]:
    for name, feed in told["feeds"].items():
        yield f"feed {name}: {feed['outcome']}" + (f": {feed['why']}" if "why" in feed else "")
    yield f"enforced: version {told['version'] or 'none'}"
