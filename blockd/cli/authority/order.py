"""`blockd authority order`: stage orders, list, lift and remove them."""

from __future__ import annotations

import argparse
from pathlib import Path

from blockd.cli.authority.dates import now
from blockd.cli.output import show
from blockd.errors import CommandError
from blockd.orders import state_at
from blockd.orders.document import time_text
from blockd.publish import Workshop, read_documents

HELP = "stage, list, lift or remove orders"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare its options."""
    parser.add_argument("files", type=Path, nargs="*", metavar="FILE", help="order documents, YAML or JSON, to stage")
    parser.add_argument("--list", action="store_true", help="print the staged orders")
    parser.add_argument("--lift", metavar="ID", help="lift a staged order; needs --on and --reason")
    parser.add_argument("--on", metavar="DATE", help="when the order is lifted")
    parser.add_argument("--reason", metavar="TEXT", help="why it is lifted")
    parser.add_argument("--remove", metavar="ID", help="take a staged order out")


def run(args: argparse.Namespace) -> int:
    """Do it and give the exit code."""
    asked = [bool(args.files), args.list, args.lift is not None, args.remove is not None]
    if sum(asked) != 1:
        raise CommandError("order takes one of: FILE..., --list, --lift ID --on DATE --reason TEXT, --remove ID")
    if (args.lift is None) != (args.on is None) or (args.lift is None) != (args.reason is None):
        raise CommandError("--lift, --on and --reason belong together: an order is lifted at a time and for a reason")
    workshop = Workshop(args.folder)
    if args.list:
        return _list(workshop, args.json)
    with workshop.locked():
        if args.lift is not None:
            workshop.lift(args.lift, args.on, args.reason)
            done = {"lifted": [args.lift]}
        elif args.remove is not None:
            workshop.remove(args.remove)
            done = {"removed": [args.remove]}
        else:
            documents = read_documents(args.files)
            workshop.stage(documents)
            done = {"staged": list(documents)}
    show(
        args.json,
        done,
        [
            *(f"{verb} {identifier}" for verb, identifiers in done.items() for identifier in identifiers),
            "Nothing is published yet; next: blockd authority sign",
        ],
    )
    return 0


def _list(workshop: Workshop, as_json: bool) -> int:
    moment = now().timestamp()
    rows = []
    for identifier in workshop.staged():
        document = workshop.document(identifier)
        order = document.order
        rows.append(
            {
                "id": order.id,
                "state": state_at(order, moment).text,
                "action": str(order.action),
                "platform": order.platform,
                "in_force_from": time_text(order.in_force_from),
                "expires": None if order.expires is None else time_text(order.expires),
                "lifted_on": None if order.lifted_on is None else time_text(order.lifted_on),
                "names": len(document.entries),
            }
        )
    show(
        as_json,
        {"orders": rows},
        [
            f"{row['id']:40} {row['state']:9} {row['action']:9} {row['names']:>7} names  {row['platform']}"
            for row in rows
        ]
        or [f"No order is staged in {workshop.folder}."],
    )
    return 0
