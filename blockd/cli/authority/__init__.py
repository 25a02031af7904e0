"""`blockd authority`: the publisher's steps, one a module, each with `HELP`, `arguments(parser)` and `run(args)`."""

from __future__ import annotations

import argparse
from pathlib import Path

from blockd.cli.parts import MixedParser, needed, words_of
from blockd.errors import PublishError

HELP = "sign and publish orders: init, key, delegate, order, sign, publish, rotate, verify, serve"

STEPS = ("init", "key", "delegate", "order", "sign", "publish", "rotate", "verify", "serve")


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the steps, each a command of its own."""
    steps = parser.add_subparsers(dest="step", required=True, metavar="STEP", parser_class=MixedParser)
    for step, module in needed(parser, f"{__name__}.", STEPS):
        child = steps.add_parser(step, help=module.HELP, description=module.HELP, **words_of(parser))
        if getattr(module, "IN_WORKSHOP", True):
            child.add_argument("folder", type=Path, metavar="DIR", help="the authority's workshop")
        child.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="print JSON for programs")
        module.arguments(child)
        child.set_defaults(take_step=module.run)


def run(args: argparse.Namespace) -> int:
    """Run one step; raises PublishError, or CommandError if the usage is wrong."""
    try:
        return int(args.take_step(args))
    except OSError as error:
        raise PublishError(
            f"{args.step} stopped: {error}. Check that the folder can be written and try again."
        ) from error
