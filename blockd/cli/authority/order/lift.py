"""`blockd authority order lift`: end an order before its time."""

from __future__ import annotations

import argparse

from blockd.cli.authority.dates import now
from blockd.cli.authority.order.staging import change_staged
from blockd.publish.changes import lifted
from blockd.times import time_text


def run(args: argparse.Namespace) -> int:
    """Run the command and return the exit code."""
    on = args.on or time_text(now().timestamp())
    change_staged(args, lambda document: lifted(document, on, args.reason), "lifted", "lifted_on")
    return 0
