"""`blockd authority init`: make a workshop."""

from __future__ import annotations

import argparse

from blockd.cli.authority.dates import date_option, now
from blockd.cli.authority.passwords import is_password_given, new_password
from blockd.cli.authority.public_keys import public_keys
from blockd.cli.output import show
from blockd.publish import Workshop
from blockd.publish.initial_root import Founding
from blockd.publish.keys.signers import name_signers
from blockd.publish.pending import read_pending
from blockd.times import time_text


def run(args: argparse.Namespace) -> int:
    """Run the command and return the exit code."""
    root_keys, targets_keys = public_keys(args.root_key), public_keys(args.targets_key)
    founding = Founding(
        tuple(key for key, _ in root_keys.values()),
        args.threshold,
        tuple(key for key, _ in targets_keys.values()),
        args.targets_threshold,
        new_password(args) if args.encrypt or is_password_given(args) else None,
    )
    workshop = Workshop.make(args.folder, now(), date_option(args.expires, "--expires"), founding)
    name_signers(workshop, {keyid: name for keyid, (_, name) in {**root_keys, **targets_keys}.items()})
    pending = read_pending(workshop, "root")
    root = pending.signed if pending else workshop.root().signed
    expires = time_text(root.expires.timestamp())
    lines = [
        f"{args.folder} is a workshop now; its root lasts until {expires}.",
        f"The private keys are in {workshop.keys}. Keep a copy where nobody else can read it.",
    ]
    if pending:
        lines.append(
            f"Its root needs {args.threshold} signatures: blockd authority sign {args.folder} --role root --key FILE"
        )
    show(
        args.json,
        {"workshop": str(args.folder), "root_version": root.version, "expires": expires, "pending": bool(pending)},
        lines,
    )
    return 0
