"""`blockd authority init`: make a workshop."""

from __future__ import annotations

import argparse

from blockd.cli.authority.dates import date_option, now
from blockd.cli.output import show
from blockd.orders.document import time_text
from blockd.publish import Workshop

HELP = "make a workshop with fresh keys"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare its options."""
    parser.add_argument("--expires", metavar="DATE", help="when it expires, instead of the default")


def run(args: argparse.Namespace) -> int:
    """Do it and give the exit code."""
    workshop = Workshop.make(args.folder, now(), date_option(args.expires, "--expires"))
    root = workshop.root().signed
    show(
        args.json,
        {"workshop": str(args.folder), "root_version": root.version, "expires": time_text(root.expires.timestamp())},
        [
            f"{args.folder} is a workshop now; its root lasts until {time_text(root.expires.timestamp())}.",
            f"The private keys are in {workshop.keys}. Keep a copy where nobody else can read it.",
        ],
    )
    return 0
