"""`blockd audit verify`: the log, a proof, or a statement."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from blockd.audit.kept_statements import KeptStatement, read_statements
from blockd.audit.log import DATABASE
from blockd.audit.proof_file import MAX_PROOF, verify_proof
from blockd.audit.statement import MAX_STATEMENT, public_key_from, verify_statement
from blockd.audit.verifying import verify_log
from blockd.cli import DONE, NO
from blockd.cli.audit.prove import lines as proof_lines
from blockd.cli.audit.trusted import read, roots_of
from blockd.cli.output import show
from blockd.errors import CommandError
from blockd.orders.repository import MAX_ROOT
from blockd.settings import load

NO_ROOT = (
    "no root of trust was named, and there is no {config}: no signature of an authority was verified; name each root, "
    "got from the authority, by --root ROOT"
)
MAX_WRONG = 5  # statements told that are damaged or were changed


def run(args: argparse.Namespace) -> int:
    """Verify; 1 if anything is wrong, with the first record that is."""
    if args.proof is not None:
        return _proof(args)
    if args.statement is not None:
        return _statement(args)
    roots: dict[str, list[bytes]] | None = None
    path: Path | None = args.file
    statements: list[KeptStatement] = []
    notes: list[str] = []
    more: list[str] = []
    wrong: list[str] = []
    given = [read(root, MAX_ROOT) for root in args.root]
    if path is not None and not args.config.exists():
        notes += [] if given else [NO_ROOT.format(config=args.config)]
    elif path is None or not given:
        settings = load(args.config)
        roots = roots_of(settings)
        path = path or settings.state_dir / DATABASE
    if args.file is None:
        statements, more, wrong = read_statements(path.parent)
    told = verify_log(path, roots, given, statements=statements)
    told.problem = told.problem or "; ".join(wrong[:MAX_WRONG])
    told.notes += [*notes, *more]
    show(args.json, {"file": str(path), **told.to_json()}, _lines(path, told.to_json()))
    return NO if told.problem else DONE


def _lines(path: Path, told: dict[str, Any]) -> Iterator[str]:
    if told["ok"]:
        yield f"{path}: {told['records']:,} records are intact, {told['signed_lists_proved']:,} signed lists are proved"
        yield f"head: number {told['head']['number']}, {told['head']['hash']}"
    else:
        at = f"record {told['wrong_record']} is wrong" if told["wrong_record"] else "the log is wrong"
        yield f"{path}: {at}: {told['problem']}"
        yield f"{told['records']:,} records before it are intact"
    for note in told["notes"]:
        yield f"note: {note}"


def _proof(args: argparse.Namespace) -> int:
    if not args.root:
        raise CommandError("a proof of signed lists needs the authority's root: --root ROOT, got from the authority")
    roots: Sequence[bytes] = [read(root, MAX_ROOT) for root in args.root]
    key = None if args.key is None else public_key_from(read(args.key, MAX_ROOT))
    told = verify_proof(read(args.proof, MAX_PROOF), roots, key)
    proved = (
        "The proof is complete."
        if told["proved"]
        else "The records are intact, but do not prove everything that is claimed."
    )
    show(args.json, {"ok": told["proved"], **told}, [proved, *proof_lines(told)])
    return DONE if told["proved"] else NO


def _statement(args: argparse.Namespace) -> int:
    if args.key is None:
        raise CommandError("a statement needs the node's public key: --key PUB, as its `blockd audit key` prints it")
    told = verify_statement(read(args.statement, MAX_STATEMENT), public_key_from(read(args.key, MAX_ROOT)))
    lines = [
        f"The statement of {told['node'] or 'the node'} of {told['time']} is signed with that key.",
        f"enforced: version {told['version']}, digest {told['digest']}, {len(told['orders']):,} orders in force",
        f"audit log: number {told['audit']['number']}, {told['audit']['hash']}",
    ]
    show(args.json, {"ok": True, **told}, lines)
    return DONE
