"""`blockd audit prove NAME TIME`: what was enforced for a name, and which signatures stand behind it."""

from __future__ import annotations

import argparse
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from blockd.audit.database import Database
from blockd.audit.gap import read_alive
from blockd.audit.inquiry import prove_name
from blockd.audit.log import DATABASE
from blockd.audit.proof_file import export_proof
from blockd.audit.statement import KEY, read_key
from blockd.cli import DONE, NO
from blockd.cli.audit.printing import moment
from blockd.cli.audit.trusted import read, roots_of
from blockd.cli.output import show
from blockd.errors import AuditError, BadName, CommandError, RulesetError, cause_of
from blockd.files import replace_file
from blockd.formats.subject import not_a_subject
from blockd.orders.repository import MAX_ROOT
from blockd.ruleset import Ruleset, Versions
from blockd.settings import load


def run(args: argparse.Namespace) -> int:
    """Print the proof; 0 if the name was blocked then, 1 if it was not or that is not known."""
    settings = load(args.config)
    at = time.time() if args.time == "now" else moment(args.time)
    given = [read(root, MAX_ROOT) for root in args.root]
    versions = Versions(settings.state_dir / "rulesets")

    def kept(version: int, digest: str) -> Ruleset | None:
        try:
            ruleset = Ruleset.open(versions.ruleset(version))
        except RulesetError:
            return None
        if ruleset.digest == digest:
            return ruleset
        ruleset.close()
        return None

    database = Database.read(settings.state_dir / DATABASE)
    try:
        told = prove_name(database, args.name, at, roots_of(settings), given, kept, read_alive(settings.state_dir))
        if args.export is not None:
            replace_file(args.export, export_proof(database, told, _key(settings.state_dir), time.time()))
    except BadName as error:
        raise CommandError(not_a_subject(args.name, error)) from error
    except (sqlite3.Error, KeyError, TypeError, ValueError) as error:
        raise AuditError(f"the audit log is damaged ({error}); `blockd audit verify` says where.") from error
    finally:
        database.close()
    show(args.json, told, lines(told))
    return DONE if told["covered"] else NO


def _key(state_dir: Path) -> Ed25519PrivateKey:
    path = state_dir / KEY
    try:
        return read_key(path)
    except OSError as error:
        raise CommandError(
            f"a proof is signed with the node's key, and {path} cannot be read: {cause_of(error)}. Run this as the "
            "user that blockd runs as."
        ) from error


def lines(told: dict[str, Any]) -> Iterator[str]:
    """Yield the proof as lines for people."""
    if told["covered"] is None:
        yield f"whether {told['name']} was blocked at {told['time']} is not known"
    elif told["tcp"] == "resolved" != told["udp"]:
        yield f"{told['name']} was blocked over UDP only at {told['time']}: over TCP its own records were given"
    elif told["covered"] and told["tcp"] is None:
        yield f"{told['name']} was blocked over UDP at {told['time']}: whether over TCP too is not known"
    else:
        yield f"{told['name']} was {'blocked' if told['covered'] else 'not blocked'} at {told['time']}"
    if told["version"] is not None:
        yield f"version {told['version']}, enforced since {told['since']}, digest {told['digest']}"
        yield f"record {told['record']} of the audit log"
    for order in told["orders"]:
        decides = ", decides" if order["decides"] else ""
        since = f", here since {order['since']}" if order["since"] else ""
        called = f"list {order['list']}" if order["list"] else f"order {order['order']}"
        issuer = f" of {order['authority']}" if order["authority"] else ""
        yield f"{called}{issuer}: {order['state']}{since}{decides}"
        kind = ", a confidential order" if order["confidential"] else ""
        yield f"  {order['action']} for {order['entry']}, feed {order['feed']}{kind}"
        yield f"  proved by {order['proved_by']}"
        for signature in order["signatures"]:
            keys = ", ".join(key[:16] for key in signature["keys"])
            count = f"{len(signature['keys'])} signatures, {signature['threshold']} needed"
            yield f"    {signature['role']} version {signature['version']}: {count}: {keys}"
    for feed in told["feeds"]:
        yield f"feed {feed['name']}: proved by {feed['proved']}"
    if "signed" in told:
        yield f"signed by the node at {told['signed']['time']}, with the key {told['signed']['keyid'][:16]}"
    for note in told["notes"]:
        yield f"note: {note}"
