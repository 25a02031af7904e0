"""`blockd authority order remove`: take a staged order out."""

from __future__ import annotations

import argparse

from blockd.cli.authority.order.staging import next_step, role_of
from blockd.cli.output import show
from blockd.publish import Workshop


def run(args: argparse.Namespace) -> int:
    """Run the command and return the exit code."""
    workshop = Workshop(args.folder)
    with workshop.locked():
        role = role_of(args, workshop)
        workshop.remove(args.identifier, role)
    show(
        args.json,
        {"removed": [args.identifier], "role": role},
        [
            f"removed {args.identifier}",
            next_step(args.folder, role),
        ],
    )
    return 0
