"""What `blockd authority` and its steps take."""

from __future__ import annotations

import argparse
from pathlib import Path

from blockd.cli.grammar import orders
from blockd.cli.grammar.parts import MixedParser, Verb

PASSWORD_VARIABLE = "BLOCKD_KEY_PASSWORD"  # noqa: S105 - a variable's name
TRIAL_ADDRESS = "127.0.0.1:8088"  # where `serve` listens
TOP_ROLES = ("root", "targets", "snapshot", "timestamp")  # as `blockd.orders.repository` has them: a test compares


def _declare(parser: argparse.ArgumentParser) -> None:
    steps = parser.add_subparsers(dest="step", required=True, metavar="STEP", parser_class=MixedParser)
    for name, step in STEPS.items():
        child = steps.add_parser(name, help=step.help, description=step.help)
        if name not in ELSEWHERE:
            child.add_argument("folder", type=Path, metavar="DIR", help="the authority's workshop")
        child.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="print JSON for programs")
        child.set_defaults(step_module=f"blockd.cli.authority.{name}")
        step.declare(child)


def password_option(parser: argparse.ArgumentParser) -> None:
    """Declare the option that names a password's file."""
    parser.add_argument(
        "--password-file",
        type=Path,
        metavar="FILE",
        help=f"the file with the key's password or PIN; else {PASSWORD_VARIABLE} is read, else it is asked for",
    )


def _init(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--expires", metavar="DATE", help="when its root expires, instead of in ten years")
    parser.add_argument(
        "--root-key", nargs="+", action="extend", default=[], metavar="[NAME=]PUBLIC", help="keys of the root"
    )
    parser.add_argument("--threshold", type=int, default=1, metavar="N", help="how many of them a root needs")
    parser.add_argument(
        "--targets-key", nargs="+", action="extend", default=[], metavar="[NAME=]PUBLIC", help="keys of targets"
    )
    parser.add_argument("--targets-threshold", type=int, default=1, metavar="N", help="how many of them a list needs")
    parser.add_argument("--encrypt", action="store_true", help="encrypt the keys that are made, by one password")
    password_option(parser)


def _key(parser: argparse.ArgumentParser) -> None:
    deeds = parser.add_subparsers(dest="deed", required=True, metavar="new|show|import")
    new = deeds.add_parser("new", help="make a key; FILE.pub is its public half")
    new.add_argument("file", type=Path, metavar="FILE", help="where to store the private key")
    shown = deeds.add_parser("show", help="print a public key and its id")
    shown.add_argument("key", metavar="FILE|URI", help="a key's file, or the URI of one that is stored elsewhere")
    imported = deeds.add_parser("import", help="write a reference to a key in a token or a cloud")
    imported.add_argument(
        "uri", metavar="URI", help="hsm:[ID][?label=TOKEN], gcpkms:NAME, awskms:ID, azurekms://VAULT/keys/NAME, hv:NAME"
    )
    imported.add_argument("file", type=Path, metavar="FILE", help="where to store the reference; it contains no secret")
    for deed in (new, shown, imported):
        deed.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="print JSON for programs")
        password_option(deed)


def _delegate(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("role", nargs="?", default="", metavar="ROLE", help="small letters, digits and hyphens")
    parser.add_argument("--name", default="", metavar="TEXT", help="the authority's full name, as its orders have it")
    parser.add_argument(
        "--key",
        action="extend",
        nargs="+",
        default=[],
        metavar="[NAME=]PUBLIC",
        help="its keys; they replace those before",
    )
    parser.add_argument("--threshold", type=int, default=0, metavar="N", help="how many of them an order needs")
    parser.add_argument(
        "--may-lift",
        nargs="*",
        metavar="ROLE",
        help="authorities whose orders it may lift, targets for the repository's own; none takes it away",
    )
    parser.add_argument("--remove", action="store_true", help="remove the authority, and all its orders with it")
    parser.add_argument("--list", action="store_true", help="print the authorities")


def _sign(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--role", default="", metavar="ROLE", help="root, targets, or an authority's role")
    parser.add_argument("--key", default="", metavar="FILE|URI", help="the key of the person who signs")
    parser.add_argument(
        "--add", type=Path, metavar="FILE", help="take the signatures of another copy of what is pending"
    )
    parser.add_argument("--show", action="store_true", help="print what --role is to sign and who has; sign nothing")
    parser.add_argument("--again", action="store_true", help="make what is pending again, without its signatures")
    parser.add_argument("--yes", action="store_true", help="sign without being asked")
    parser.add_argument("--expires", metavar="DATE", help="when it expires, instead of the default")
    password_option(parser)


def _publish(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("target", type=Path, metavar="FOLDER", help="the folder that readers fetch from")
    parser.add_argument("--renew", action="store_true", help="renew the timestamp even if half its life is left")
    parser.add_argument("--expires", metavar="DATE", help="when snapshot and timestamp expire, instead of the default")
    parser.add_argument("--prune", type=int, metavar="DAYS", help="remove files that are older and no longer listed")
    password_option(parser)


def _rotate(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("role", metavar="ROLE", help=", ".join(TOP_ROLES))
    parser.add_argument("--add", nargs="+", action="extend", default=[], metavar="[NAME=]PUBLIC", help="keys to add")
    parser.add_argument("--remove", nargs="+", action="extend", default=[], metavar="KEYID", help="keys to remove")
    parser.add_argument("--threshold", type=int, default=0, metavar="N", help="how many of its keys the role needs")
    parser.add_argument("--expires", metavar="DATE", help="when the new root expires, instead of in ten years")
    parser.add_argument("--again", action="store_true", help="drop the root that is pending, and what it changes")


def _verify(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "place", metavar="DIR|FOLDER|URL", help="a workshop, a published folder, or where one is served"
    )
    parser.add_argument("--root", type=Path, metavar="ROOT", help="the root to trust; by default that of the folder")


def _serve(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="a folder that was published to")
    parser.add_argument(
        "--listen", default=TRIAL_ADDRESS, metavar="HOST:PORT", help=f"where to listen ({TRIAL_ADDRESS})"
    )


STEPS = {
    "init": Verb("make a workshop, with fresh keys for all roles whose keys are not given", _init),
    "key": Verb("make an Ed25519 key in an encrypted file, show a key, or import one from a token or a cloud", _key),
    "delegate": Verb("add, change, remove or list authorities that sign their own orders", _delegate),
    "order": Verb("make, change, lift, extend and list orders", orders.declare),
    "sign": Verb(
        "sign what is staged: with the keys in DIR/keys, or as one of several people with --role and --key", _sign
    ),
    "publish": Verb(
        "copy what has all its signatures to the folder that readers fetch from, and renew the timestamp if it is due",
        _publish,
    ),
    "rotate": Verb(
        "prepare a new root: other keys, another threshold or a later end of root, targets, snapshot or timestamp",
        _rotate,
    ),
    "verify": Verb(
        "check a workshop, a published folder or a URL as a node would, and print what is due soon", _verify
    ),
    "serve": Verb("serve a published folder by plain HTTP, for trials", _serve),
}
ELSEWHERE = ("key", "order", "verify", "serve")  # steps that name themselves where they work
VERB = Verb(f"sign and publish orders: {', '.join(STEPS)}", _declare)
