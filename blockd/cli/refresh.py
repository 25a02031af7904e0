"""`blockd refresh`: fetch now and print the result, or with --dry-run what it would be."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from blockd.cli import DONE, NO
from blockd.cli.admin_client import ask
from blockd.cli.output import show
from blockd.errors import CommandError
from blockd.settings import load

HELP = "have the running daemon fetch its feeds now"
SECONDS = 900.0  # for fetching and compiling the largest list


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the feeds to fetch."""
    parser.add_argument("feeds", nargs="*", metavar="FEED", help="only these feeds; all of them if none is named")
    parser.add_argument("--dry-run", action="store_true", help="say what would change, and change nothing")
    parser.add_argument("--popular", type=Path, metavar="FILE", help="with --dry-run: popular names by rank")


def run(args: argparse.Namespace) -> int:
    """Print the outcome of each feed; 1 if one was refused."""
    if args.dry_run:
        from blockd.cli import dry_run  # which compiles, and needs more than asking the daemon does

        return dry_run.run(args)
    if args.popular:
        raise CommandError("--popular goes with --dry-run; nothing was fetched")
    body = {"feeds": args.feeds} if args.feeds else {}
    told = ask(load(args.config), "/api/refresh", body, SECONDS)
    show(args.json, told, _lines(told))
    return NO if any(feed["outcome"] == "refused" for feed in told["feeds"].values()) else DONE


def _lines(told: dict[str, Any]) -> Iterator[str]:
    for name, feed in told["feeds"].items():
        yield f"feed {name}: {feed['outcome']}" + (f": {feed['why']}" if "why" in feed else "")
    yield f"enforced: version {told['version'] or 'none'}"
