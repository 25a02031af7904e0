"""`blockd authority order extend`: let an order last longer."""

from __future__ import annotations

import argparse

from blockd.cli.authority.dates import now
from blockd.cli.authority.order_staging import change_staged, place_arguments
from blockd.publish.changes import extended

HELP = "let an order last longer"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare its options."""
    place_arguments(parser)
    parser.add_argument("--expires", metavar="DATE|never", required=True, help="its new end")
    parser.add_argument("--reason", metavar="TEXT", default="", help="why; it is added to the summary")


def run(args: argparse.Namespace) -> int:
    """Run the command and return the exit code."""
    at = now().timestamp()
    change_staged(args, lambda document: extended(document, args.expires, args.reason, at), "extended", "expires")
    return 0
