"""`blockd authority sign`: sign what is staged, alone or as one of several people."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from blockd.cli.agreement import agreed
from blockd.cli.authority.dates import date_option, now
from blockd.cli.authority.passwords import secrets
from blockd.cli.output import show
from blockd.errors import CommandError, PublishError
from blockd.publish import Signing, Workshop, sign
from blockd.publish.keys.key_files import load_key
from blockd.publish.keys.references import import_key, is_uri, signer_of
from blockd.publish.keys.signers import signer_names, told_signer
from blockd.publish.pending import Pending, Standing, add_signature, merge, read_pending, standing
from blockd.publish.signing import to_sign
from blockd.publish.summary import PublishedNews, news
from blockd.times import time_text

_DONE, _NO = 0, 1


def run(args: argparse.Namespace) -> int:
    """Run the command and return the exit code: 1 if --show finds that signatures are lacking."""
    if (args.key or args.show) and not args.role:
        raise CommandError("--key and --show need a --role; without them the keys in DIR/keys sign")
    if sum(map(bool, (args.key, args.show, args.add))) > 1:
        raise CommandError("sign takes one of --key, --add and --show")
    if args.role and not (args.key or args.show or args.add):
        raise CommandError("--role needs one of --key FILE|URI, --show and --add FILE")
    workshop = Workshop(args.folder)
    expires = date_option(args.expires, "--expires")
    with workshop.locked():
        if args.add:
            return _tell(workshop, args, merge(workshop, args.add, args.role), (), "added")
        if args.show:
            return _show(workshop, args)
        if args.key:
            return _sign_as_one(workshop, args, expires)
        done = sign(workshop, now(), expires, again=args.again, secrets=secrets(args))
        return _tell_all(workshop, args, done)


def _pending(workshop: Workshop, args: argparse.Namespace, expires: datetime | None) -> Pending:
    if args.role != "root":
        return to_sign(workshop, args.role, now(), expires, again=args.again)
    root = read_pending(workshop, "root")
    if root is None:
        raise PublishError("No root is pending; there is nothing to sign. rotate makes one.")
    return root


def _sign_as_one(workshop: Workshop, args: argparse.Namespace, expires: datetime | None) -> int:
    ask = secrets(args)
    metadata = _pending(workshop, args, expires)
    seen = _news(workshop, args.role, metadata)
    if not args.yes:
        _confirm(args.role, metadata, seen)
    if is_uri(args.key):
        uri, key = import_key(args.key, ask)
        signer = signer_of(uri, key, ask)
    else:
        signer = load_key(Path(args.key), ask)
    return _tell(workshop, args, add_signature(workshop, args.role, metadata, signer), seen, "signed")


def _show(workshop: Workshop, args: argparse.Namespace) -> int:
    metadata = read_pending(workshop, args.role)
    if metadata is None:
        raise PublishError(f"Nothing of {args.role} is pending in {workshop.folder}.")
    told = standing(workshop, args.role, metadata)
    _tell(workshop, args, told, _news(workshop, args.role, metadata), "pending")
    return _DONE if told.is_complete else _NO


def _news(workshop: Workshop, role: str, metadata: Pending) -> tuple[PublishedNews, ...]:
    names = signer_names(workshop)
    return news(workshop, role, metadata, lambda keyid: told_signer(names, keyid))


def _confirm(role: str, metadata: Pending, seen: Sequence[PublishedNews]) -> None:
    """Show what is to be signed, and go on only if the person agrees."""
    if not sys.stdin.isatty():
        raise CommandError("there is no terminal for the question; check with --show, then use --yes")
    lines = [f"To sign: version {metadata.signed.version} of {role}", *(f"  {it.line()}" for it in seen)]
    if not agreed("Sign this?", lines):
        raise PublishError("Nothing was signed, as you said.")


def _tell(
    workshop: Workshop, args: argparse.Namespace, told: Standing, seen: Sequence[PublishedNews], done: str
) -> int:
    names = signer_names(workshop)
    show(
        args.json,
        {
            **_standing(told),
            "file": str(_place(workshop, told)),
            "done": done,
            "changes": [[it.what, it.subject, it.detail] for it in seen],
        },
        [
            *(it.line() for it in seen),
            _line(names, told),
            f"The signatures are in {_place(workshop, told)}; another copy of DIR takes them with sign --add FILE.",
        ],
    )
    return _DONE


def _place(workshop: Workshop, told: Standing) -> Path:
    """Return where the signatures lie: with what is signed, or with what is pending."""
    if told.is_complete:
        return workshop.metadata / f"{told.version}.{told.role}.json"
    return workshop.pending / f"{told.role}.json"


def _standing(told: Standing) -> dict[str, object]:
    return {
        "role": told.role,
        "version": told.version,
        "threshold": told.threshold,
        "signed": told.signed,
        "unsigned": told.unsigned,
        "lacking": told.lacking,
        "complete": told.is_complete,
    }


def _line(names: dict[str, str], told: Standing) -> str:
    which = f"version {told.version} of {told.role}"
    if told.is_complete:
        return f"{which} has its {told.threshold} signatures; it is published with the next publish."
    who = ", ".join(told_signer(names, keyid) for keyid in told.unsigned)
    needed = told.lacking + len(told.signed)
    amount = "one" if told.lacking == 1 else str(told.lacking)
    return f"{which}: {len(told.signed)} of {needed} signatures; missing: {amount} of {who}"


def _next(workshop: Workshop, role: str) -> str:
    return f"blockd authority sign {workshop.folder} --role {role} --key FILE"


def _tell_all(workshop: Workshop, args: argparse.Namespace, done: Signing) -> int:
    names = signer_names(workshop)
    expires = time_text(done.expires.timestamp()) if done.expires else None
    lines = [
        *(f"signed {identifier}" for identifier in done.changed),
        *(f"left out {identifier}" for identifier in done.removed),
        *(it.line() for it in done.news if " " in it.subject),  # authorities, and keys and thresholds of the root
        *(_line(names, told) for told in done.standings if not told.is_complete or told.role != "targets"),
        *(f"{role} has changes and no key here; next: {_next(workshop, role)}" for role in done.waiting),
        f"{done.orders} orders in list version {done.targets_version}"
        + (f"; its timestamp lasts until {expires}." if expires else "; the keys to publish it are not here."),
        *([f"Next: blockd authority publish {workshop.folder} FOLDER"] if expires else []),
    ]
    show(
        args.json,
        {
            "timestamp_version": done.timestamp_version,
            "targets_version": done.targets_version,
            "orders": done.orders,
            "changed": done.changed,
            "removed": done.removed,
            "expires": expires,
            "roles": [_standing(told) for told in done.standings],
            "waiting": done.waiting,
        },
        lines,
    )
    return _DONE
