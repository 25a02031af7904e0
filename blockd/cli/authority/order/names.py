"""`blockd authority order names`: give an order of national size the names of a list."""

from __future__ import annotations

import argparse

from blockd.cli.authority.order.name_lists import renew_list
from blockd.cli.authority.order.staging import role_of, staged_document
from blockd.errors import PublishError
from blockd.publish import Workshop


def run(args: argparse.Namespace) -> int:
    """Run the command and return the exit code."""
    workshop = Workshop(args.folder)
    with workshop.locked():
        role = role_of(args, workshop)
        document = staged_document(workshop, args.identifier, role)
        if "list" not in document:
            raise PublishError(
                f"{args.identifier} has its names in its document; nothing was changed. Change those with: order edit"
            )
        return renew_list(args, workshop, role, document, args.identifier, verb="renewed")
