"""`blockd cache`: what the running daemon has cached, one part a module, each with `run(args)`."""

from __future__ import annotations

import argparse
import importlib


def run(args: argparse.Namespace) -> int:
    """Run the part."""
    return int(importlib.import_module(f"blockd.cli.cache.{args.part}").run(args))
