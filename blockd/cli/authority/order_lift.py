"""`blockd authority order lift`: end an order before its time."""

from __future__ import annotations

import argparse

from blockd.cli.authority.dates import now
from blockd.cli.authority.order_staging import (
    checked_change,
    place_arguments,
    role_of,
    rules_of,
    stage,
    staged_document,
)
from blockd.orders.document import time_text
from blockd.publish import Workshop
from blockd.publish.changes import lifted
from blockd.publish.documents import Checked

HELP = "lift an order"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare its options."""
    place_arguments(parser)
    parser.add_argument("--on", metavar="DATE", help="when it is lifted, instead of now")
    parser.add_argument("--reason", metavar="TEXT", required=True, help="why it is lifted")


def run(args: argparse.Namespace) -> int:
    """Do it and give the exit code."""
    workshop = Workshop(args.folder)
    with workshop.locked():
        role = role_of(args, workshop)
        document = staged_document(workshop, args.identifier, role)
        changed = lifted(document, args.on or time_text(now().timestamp()), args.reason)
        checked = checked_change(args.identifier, changed, rules_of(args, workshop, role))
        checked = Checked(checked.documents)  # its warnings were shown when it was made
        stage(args, workshop, role, checked, "lifted", lifted_on=changed["lifted_on"])
    return 0
