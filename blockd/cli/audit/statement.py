"""`blockd audit statement`: have the running daemon sign what it enforces now."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from blockd.cli import DONE
from blockd.cli.admin_client import ask
from blockd.files import replace_file
from blockd.settings import load

HELP = "have the running daemon sign a statement of what it enforces"
SECONDS = 30.0  # for ten thousand orders on a slow disk


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add where it goes."""
    parser.add_argument("--out", type=Path, metavar="FILE", help="write it there; without, it is printed")


def run(args: argparse.Namespace) -> int:
    """Write the statement, or print it."""
    told: dict[str, Any] = ask(load(args.config), "/api/statement", {}, SECONDS)
    octets = str(told["statement"]).encode("ascii")
    if args.out is None:
        sys.stdout.write(octets.decode("ascii"))
        return DONE
    replace_file(args.out, octets)
    if args.json:
        print(json.dumps({"file": str(args.out), "kept": told["file"]}))
    else:
        print(f"{args.out}: signed; the node keeps it as statements/{told['file']}")
    return DONE
