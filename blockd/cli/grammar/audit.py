"""What `blockd audit` and its parts take."""

from __future__ import annotations

import argparse
from pathlib import Path

from blockd.cli.grammar.parts import Verb, add_part, names_may_begin_with_hyphens

# As `blockd.audit.chain.KINDS` has them, which a test compares.
RECORD_KINDS = (
    "start", "stop", "new-chain", "lost", "gap", "enforced", "taken-back", "order", "evidence", "refused", "accept",
    "good-again", "reload", "rollback", "release", "override", "override-ended", "gate-release", "gate-hold",
    "refresh", "flush", "token", "self-test", "statement",
)  # fmt: skip


def _declare(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--since", metavar="TIME", help="only records from then on, such as 2026-11-24")
    parser.add_argument("--until", metavar="TIME", help="only records up to then")
    parser.add_argument("--kind", action="append", choices=RECORD_KINDS, metavar="KIND", help=", ".join(RECORD_KINDS))
    parser.add_argument(
        "--order",
        default="",
        metavar="ORDER",
        help="only records of one order, as ID, ROLE/ID or FEED/ROLE/ID, or of an override",
    )
    parser.add_argument("--feed", default="", metavar="NAME", help="only records of one feed")
    parts = parser.add_subparsers(dest="part", metavar="PART")
    _verify(
        add_part(
            parts, "verify", "verify the chain, the evidence and every signature of the log; or a proof, or a statement"
        )
    )
    _prove(add_part(parts, "prove", "what was enforced for a name at a time, and which signatures stand behind it"))
    statement = add_part(parts, "statement", "have the running daemon sign a statement of what it enforces")
    statement.add_argument("--out", type=Path, metavar="FILE", help="write it there; without, it is printed")
    add_part(parts, "key", "print the node's public key")


def _verify(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", nargs="?", type=Path, metavar="FILE", help="a log; by default that of the config")
    parser.add_argument(
        "--root", action="append", type=Path, default=[], metavar="ROOT",
        help="a root.json to trust, beside those of the config; for a proof the only ones",
    )  # fmt: skip
    parser.add_argument("--proof", type=Path, metavar="FILE", help="verify what `audit prove --export` has written")
    parser.add_argument("--statement", type=Path, metavar="FILE", help="verify a statement of enforcement")
    parser.add_argument(
        "--key",
        type=Path,
        metavar="PUB",
        help="the node's public key, as `audit key` prints it, for a proof or a statement",
    )


def _prove(parser: argparse.ArgumentParser) -> None:
    names_may_begin_with_hyphens(parser)
    parser.add_argument("name", metavar="NAME", help="a domain name, as `blockd lookup` reads it")
    parser.add_argument("time", metavar="TIME", help="such as 2026-11-24T12:00:00Z, or now")
    parser.add_argument("--root", action="append", type=Path, default=[], metavar="ROOT", help="a root.json to trust")
    parser.add_argument("--export", type=Path, metavar="FILE", help="write a proof that others can verify")


VERB = Verb("print and verify the audit log, prove what was enforced and on whose authority", _declare)
