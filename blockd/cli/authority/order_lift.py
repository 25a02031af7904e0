"""`blockd authority order lift`: end an order before its time."""

from __future__ import annotations

import argparse

from blockd.cli.authority.dates import now
from blockd.cli.authority.order_staging import change_staged, place_arguments
from blockd.publish.changes import lifted
from blockd.times import time_text

HELP = "lift an order"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare its options."""
    place_arguments(parser)
    parser.add_argument("--on", metavar="DATE", help="when it is lifted, instead of now")
    parser.add_argument("--reason", metavar="TEXT", required=True, help="why it is lifted")


def run(args: argparse.Namespace) -> int:
    """Run the command and return the exit code."""
    on = args.on or time_text(now().timestamp())
    change_staged(args, lambda document: lifted(document, on, args.reason), "lifted", "lifted_on")
    return 0
