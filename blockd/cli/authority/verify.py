"""`blockd authority verify`: check a repository as a node would."""

from __future__ import annotations

import argparse
from pathlib import Path

from blockd.cli.authority.dates import now
from blockd.cli.output import show
from blockd.errors import CommandError
from blockd.feeds.signed.limits import MAX_METADATA
from blockd.files import read_file
from blockd.publish.verifying import verify_repository
from blockd.times import time_text


def run(args: argparse.Namespace) -> int:
    """Run the command and return the exit code: 1 if a node refuses anything of it."""
    remote = args.place.startswith(("http://", "https://"))
    if remote and args.root is None:
        raise CommandError("a URL needs --root: the root.json that you got through a trusted channel")
    folder = Path(args.place)
    anchors = (folder / "root.json", folder / "metadata" / "1.root.json")
    root = args.root or next((path for path in anchors if path.is_file()), anchors[0])
    try:
        content = read_file(root, MAX_METADATA["root"])
    except OSError as error:
        raise CommandError(f"the root {root} cannot be read: {error.strerror}") from error
    told = verify_repository(args.place if remote else folder.resolve().as_uri(), content, now())
    show(
        args.json,
        {
            "place": args.place,
            "targets_version": told.targets_version,
            "timestamp_version": told.timestamp_version,
            "orders": told.orders,
            "authorities": told.authorities,
            "published": told.published,
            "expires": time_text(told.expires),
            "faults": told.faults,
            "warnings": told.warnings,
        },
        [
            *(f"fault: {it}" for it in told.faults),
            *(f"warning: {it}" for it in told.warnings),
            f"A node takes list version {told.targets_version}, until {time_text(told.expires)}.",
            f"{told.orders} orders, {told.authorities} authorities",
        ],
    )
    return 1 if told.faults else 0
