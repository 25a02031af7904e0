"""`blockd authority publish`: copy what is signed to where readers fetch it."""

from __future__ import annotations

import argparse
from pathlib import Path

from blockd.cli.output import show
from blockd.publish import Workshop, publish

HELP = "copy what is signed to the folder that readers fetch from"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare its options."""
    parser.add_argument("target", type=Path, metavar="FOLDER", help="the folder that readers fetch from")


def run(args: argparse.Namespace) -> int:
    """Do it and give the exit code."""
    workshop = Workshop(args.folder)
    with workshop.locked():
        done = publish(workshop, args.target)
    show(
        args.json,
        {
            "folder": str(args.target),
            "targets_version": done.targets_version,
            "timestamp_version": done.timestamp_version,
            "written": done.written,
        },
        [f"{args.target} holds list version {done.targets_version}; {len(done.written)} files were new."],
    )
    return 0
