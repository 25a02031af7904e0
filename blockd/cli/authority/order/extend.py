"""`blockd authority order extend`: let an order last longer."""

from __future__ import annotations

import argparse

from blockd.cli.authority.dates import now
from blockd.cli.authority.order.staging import change_staged
from blockd.publish.changes import extended


def run(args: argparse.Namespace) -> int:
    """Run the command and return the exit code."""
    at = now().timestamp()
    change_staged(args, lambda document: extended(document, args.expires, args.reason, at), "extended", "expires")
    return 0
