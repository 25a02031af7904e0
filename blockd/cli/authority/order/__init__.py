"""`blockd authority order`: everything about single orders, one verb a module beside this one."""

from __future__ import annotations

import argparse


def run(args: argparse.Namespace) -> int:
    """Run the command and return the exit code."""
    return int(args.take_order(args))
