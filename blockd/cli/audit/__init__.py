"""`blockd audit`: print and verify the audit log, prove what was enforced, sign statements. No daemon need run."""

from __future__ import annotations

import argparse
import importlib


def run(args: argparse.Namespace) -> int:
    """Run the part, or print the log if none is named."""
    return int(importlib.import_module(f"blockd.cli.audit.{args.part or 'printing'}").run(args))
