"""`blockd authority order`: everything about single orders, one verb a module beside this one."""

from __future__ import annotations

import argparse
from pathlib import Path

from blockd.cli.parts import MixedParser, needed

HELP = "make, change, lift, extend and list orders"
IN_WORKSHOP = False  # each verb says itself whether it works in one

VERBS = ("new", "edit", "lift", "extend", "names", "list", "check-name", "remove", "schema")


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verbs."""
    verbs = parser.add_subparsers(dest="order_verb", required=True, metavar="VERB", parser_class=MixedParser)
    for verb, module in needed(parser, "blockd.cli.authority.order_", VERBS):
        child = verbs.add_parser(verb, help=module.HELP, description=module.HELP)
        child.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="print JSON for programs")
        child.add_argument(
            "--config",
            type=Path,
            default=argparse.SUPPRESS,
            metavar="FILE",
            help="whose protected names and suffixes count",
        )
        module.arguments(child)
        child.set_defaults(take_order=module.run)


def run(args: argparse.Namespace) -> int:
    """Run the command and return the exit code."""
    return int(args.take_order(args))
