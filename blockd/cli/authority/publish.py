"""`blockd authority publish`: copy what is signed to where readers fetch it."""

from __future__ import annotations

import argparse
from datetime import timedelta

from blockd.cli.authority.dates import date_option, now
from blockd.cli.authority.passwords import secrets
from blockd.cli.output import show
from blockd.errors import CommandError
from blockd.publish import Workshop, publish
from blockd.publish.keys.online_roles import seal
from blockd.publish.pending import pending_roles
from blockd.publish.publishing import prune
from blockd.times import time_text

MAX_PRUNE = 36_500  # days; a hundred years


def run(args: argparse.Namespace) -> int:
    """Run the command and return the exit code."""
    if args.prune is not None and not 0 < args.prune <= MAX_PRUNE:
        raise CommandError(
            f"--prune {args.prune}: 1 to {MAX_PRUNE} days are allowed; readers need old files for a while"
        )
    workshop = Workshop(args.folder)
    expires = date_option(args.expires, "--expires")
    with workshop.locked():
        sealed = seal(workshop, now(), expires=expires, renew=args.renew or bool(expires), secrets=secrets(args))
        done = publish(workshop, args.target)
        removed = prune(workshop, args.target, timedelta(days=args.prune), now()) if args.prune else ()
    held = sealed.held if sealed else {}
    current = workshop.current()
    until = time_text(current[0].signed.expires.timestamp()) if current else ""
    pending = pending_roles(workshop)
    show(
        args.json,
        {
            "folder": str(args.target),
            "targets_version": done.targets_version,
            "timestamp_version": done.timestamp_version,
            "expires": until,
            "written": done.written,
            "removed": removed,
            "held": held,
            "pending": pending,
            "renewable": sealed is not None,
        },
        [
            *(
                []
                if sealed
                else [f"The keys of snapshot and timestamp are not all in {workshop.keys}; nothing was renewed."]
            ),
            *(f"{role} is not published again: {why}" for role, why in held.items()),
            *(f"{role} lacks signatures; what was published of it before stays" for role in pending),
            *([f"{len(removed)} old files were removed"] if args.prune else []),
            f"{args.target} holds list version {done.targets_version}; {len(done.written)} files were new.",
            f"Publish again before {until}.",
        ],
    )
    return 0
