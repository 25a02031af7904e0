"""`blockd cache flush`: remove what every worker has cached of a name, of all under one, or all."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

from blockd.cli import DONE, NO
from blockd.cli.admin_client import ask
from blockd.cli.output import show
from blockd.errors import CommandError

SECONDS = 60.0  # for large caches on a busy machine


def run(args: argparse.Namespace) -> int:
    """Print what each worker has removed; 1 if one did not answer."""
    if args.all == (args.name is not None) or (args.all and args.below):
        raise CommandError("expected a name, perhaps with --below, or --all; nothing was flushed")
    body = {"all": True} if args.all else {"below" if args.below else "name": args.name}
    told = ask(args.config, "/api/v1/cache/flush", body, SECONDS)
    show(args.json, told, _lines(told))
    return NO if told["silent"] else DONE


def _lines(told: dict[str, Any]) -> Iterator[str]:
    below = " and of all names under it" if told["below"] else ""
    what = f"what was cached of {told['name']}{below}" if told["name"] else "everything that was cached"
    yield f"flushed: {what}"
    for worker in told["workers"]:
        yield f"worker {worker['worker']}: {worker['entries']:,} answers, {worker['failures']:,} remembered failures"
    for worker in told["silent"]:
        yield f"worker {worker}: no answer; it may do it yet"
