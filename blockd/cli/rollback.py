"""`blockd rollback`: enforce a version kept, until it is released."""

from __future__ import annotations

import argparse
from typing import Any

from blockd.cli import DONE
from blockd.cli.admin_client import ask
from blockd.cli.output import show
from blockd.errors import CommandError

SECONDS = 60.0  # for reading the whole file of a large version from a slow disk
RELEASE_SECONDS = 900.0  # for compiling what has waited


def run(args: argparse.Namespace) -> int:
    """Ask the daemon, and print what it enforces then."""
    if (args.version is None) != args.release:
        raise CommandError("name a version to go back to, or --release; nothing was changed")
    if not args.reason.strip():
        raise CommandError("--reason TEXT is needed: the audit log keeps why it was done; nothing was changed")
    told: dict[str, Any]
    if args.release:
        told = ask(args.config, "/api/v1/rollback", {"release": True, "reason": args.reason}, RELEASE_SECONDS)
        lines = [f"released; enforced: version {told['version'] or 'none'}"]
    else:
        told = ask(args.config, "/api/v1/rollback", {"version": args.version, "reason": args.reason}, SECONDS)
        version, pinned = told["version"], told["pinned"]
        on_top = [f"pinned: version {pinned}", f"enforced: version {version}, which has the overrides of now on top"]
        lines = [f"enforced and pinned: version {version}"] if version == pinned else on_top
        lines.append("It stays until `blockd rollback --release`.")
    show(args.json, told, lines)
    return DONE
