"""`blockd authority rotate`: change whose keys the root names."""

from __future__ import annotations

import argparse

from blockd.cli.authority.dates import date_option, now
from blockd.cli.authority.public_keys import public_keys
from blockd.cli.output import show
from blockd.errors import CommandError
from blockd.publish import Workshop
from blockd.publish.keys.rotating import KeyChange, rotate
from blockd.publish.keys.signers import name_signers
from blockd.publish.pending import standing


def run(args: argparse.Namespace) -> int:
    """Run the command and return the exit code."""
    if not (args.add or args.remove or args.threshold or args.expires):
        raise CommandError("rotate takes at least one of --add, --remove, --threshold, --expires")
    if args.threshold < 0:
        raise CommandError(f"--threshold {args.threshold}: at least 1 is needed")
    workshop = Workshop(args.folder)
    added = public_keys(args.add)
    change = KeyChange(args.role, [key for key, _ in added.values()], args.remove, args.threshold)
    with workshop.locked():
        root = rotate(workshop, change, now(), date_option(args.expires, "--expires"), again=args.again)
        name_signers(workshop, {keyid: name for keyid, (_, name) in added.items()})
    told = standing(workshop, "root", root)
    role = root.signed.roles[args.role]
    show(
        args.json,
        {
            "root_version": told.version,
            "role": args.role,
            "keys": role.keyids,
            "threshold": role.threshold,
            "lacking": told.lacking,
        },
        [
            f"Version {told.version} of the root is pending: {args.role} needs {role.threshold} of {len(role.keyids)}.",
            f"It needs {told.lacking} signatures; next: blockd authority sign {args.folder} --role root --key FILE",
        ],
    )
    return 0
