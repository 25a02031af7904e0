"""`blockd authority order check-name`: whether an order covers a name, also one whose names are hashes."""

from __future__ import annotations

import argparse
import sys

from blockd.cli import DONE, NO
from blockd.cli.authority.order.staging import role_of
from blockd.cli.output import show
from blockd.errors import BadName, CommandError, PublishError
from blockd.formats.subject import name_from_text
from blockd.names import DomainName
from blockd.names.domain import MAX_TEXT
from blockd.publish import Workshop


def run(args: argparse.Namespace) -> int:
    """Exit code 0 if the order covers the name, 1 if it does not. The name is not repeated."""
    try:
        name = DomainName(name_from_text(sys.stdin.readline(MAX_TEXT) if args.name == "-" else args.name))
    except BadName as error:
        raise CommandError(f"the name given is not valid: {error.reason}") from error
    workshop = Workshop(args.folder)
    role = role_of(args, workshop)
    document = workshop.document(args.identifier, role)
    if document.names is not None:
        raise PublishError(f"{args.identifier} has its names in files; search in the list that they were made from.")
    found = document.covering(name)
    listed = found is not None and found[0] == name
    if found is None:
        said = f"{args.identifier} does not cover this name."
    elif listed:
        said = f"{args.identifier} covers this name: it is one of its {len(document.entries)} names."
    else:
        said = f"{args.identifier} covers this name, by one above it."
    data = {"id": args.identifier, "covered": found is not None, "listed": listed}
    show(args.json, data, [said])
    return NO if found is None else DONE
