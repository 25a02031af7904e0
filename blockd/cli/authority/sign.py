"""`blockd authority sign`: sign what is staged."""

from __future__ import annotations

import argparse

from blockd.cli.authority.dates import date_option, now
from blockd.cli.output import show
from blockd.orders.document import time_text
from blockd.publish import Workshop, sign

HELP = "sign the staged orders"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare its options."""
    parser.add_argument("--expires", metavar="DATE", help="when it expires, instead of the default")


def run(args: argparse.Namespace) -> int:
    """Do it and give the exit code."""
    workshop = Workshop(args.folder)
    with workshop.locked():
        done = sign(workshop, now(), date_option(args.expires, "--expires"))
    expires = time_text(done.expires.timestamp())
    show(
        args.json,
        {
            "timestamp_version": done.timestamp_version,
            "targets_version": done.targets_version,
            "orders": done.orders,
            "changed": done.changed,
            "removed": done.removed,
            "expires": expires,
        },
        [
            *(f"signed {identifier}" for identifier in done.changed),
            *(f"left out {identifier}" for identifier in done.removed),
            f"{done.orders} orders in list version {done.targets_version}; sign again before {expires}.",
        ],
    )
    return 0
