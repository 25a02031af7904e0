"""`blockd audit`: print and verify the audit log, prove what was enforced, sign statements. No daemon need run."""

from __future__ import annotations

import argparse

from blockd.cli.audit import key, printing, prove, statement, verify
from blockd.cli.parts import add_part

HELP = "print and verify the audit log, prove what was enforced and on whose authority"
_PARTS = {"verify": verify, "prove": prove, "statement": statement, "key": key}


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add what is printed, and the parts."""
    printing.arguments(parser)
    parts = parser.add_subparsers(dest="part", metavar="PART")
    for name, part in _PARTS.items():
        part.arguments(add_part(parts, name, part.HELP))


def run(args: argparse.Namespace) -> int:
    """Run the part, or print the log if none is named."""
    return int(_PARTS[args.part].run(args)) if args.part else printing.run(args)
