"""`blockd audit statement`: have the running daemon sign what it enforces now."""

from __future__ import annotations

import argparse
from typing import Any

from blockd.cli import DONE
from blockd.cli.admin_client import ask
from blockd.cli.output import print_text, show
from blockd.files import replace_file

SECONDS = 30.0  # for ten thousand orders on a slow disk


def run(args: argparse.Namespace) -> int:
    """Write the statement, or print it."""
    told: dict[str, Any] = ask(args.config, "/api/v1/statement", {}, SECONDS)
    octets = str(told["statement"]).encode("ascii")
    if args.out is None:
        print_text(octets.decode("ascii"))
        return DONE
    replace_file(args.out, octets)
    said = f"{args.out}: signed; the node keeps it as statements/{told['file']}"
    show(args.json, {"file": str(args.out), "kept": told["file"]}, [said])
    return DONE
