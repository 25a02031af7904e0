"""Verbs that have parts, as `blockd audit verify`: the common options stand behind the part as well as before it."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any


def add_part(parts: Any, name: str, text: str) -> argparse.ArgumentParser:
    """Add a part of a verb to what `add_subparsers` gave, with the common options; give its parser."""
    part: argparse.ArgumentParser = parts.add_parser(name, help=text, description=text)
    part.add_argument("--config", type=Path, default=argparse.SUPPRESS, metavar="FILE", help="the config file")
    part.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="print JSON for programs")
    return part
