"""`blockd authority order extend`: let an order last longer."""

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
from blockd.publish import Workshop
from blockd.publish.changes import extended
from blockd.publish.documents import Checked

HELP = "let an order last longer"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare its options."""
    place_arguments(parser)
    parser.add_argument("--expires", metavar="DATE|never", required=True, help="its new end")
    parser.add_argument("--reason", metavar="TEXT", default="", help="why; it is added to the summary")


def run(args: argparse.Namespace) -> int:
    """Do it and give the exit code."""
    workshop = Workshop(args.folder)
    with workshop.locked():
        role = role_of(args, workshop)
        document = staged_document(workshop, args.identifier, role)
        changed = extended(document, args.expires, args.reason, now().timestamp())
        checked = checked_change(args.identifier, changed, rules_of(args, workshop, role))
        checked = Checked(checked.documents)  # its warnings were shown when it was made
        stage(args, workshop, role, checked, "extended", expires=changed["expires"])
    return 0
