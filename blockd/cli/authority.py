"""`blockd authority`: make a workshop, stage orders, sign them, publish the list."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from blockd.cli.output import show
from blockd.errors import CommandError, PublishError
from blockd.orders import state_at
from blockd.orders.document import time_from_text, time_text
from blockd.publish import Workshop, publish, read_documents, sign

HELP = "sign and publish a list of orders: init, order, sign, publish"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the steps, each a command of its own."""
    steps = parser.add_subparsers(dest="step", required=True, metavar="STEP")
    for step, (told, _) in _STEPS.items():
        child = steps.add_parser(step, help=told, description=told)
        child.add_argument("folder", type=Path, metavar="DIR", help="the authority's workshop")
        child.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="print JSON for programs")
        if step in ("init", "sign"):
            child.add_argument("--expires", metavar="DATE", help="when it expires, instead of the default")
        if step == "publish":
            child.add_argument("target", type=Path, metavar="FOLDER", help="the folder that readers fetch from")
        if step == "order":
            _order_arguments(child)


def run(args: argparse.Namespace) -> int:
    """Do one step; errors come as PublishError, or as CommandError where the usage is wrong."""
    try:
        return _STEPS[args.step][1](args)
    except OSError as error:
        raise PublishError(
            f"{args.step} stopped: {error}. See that the folder can be written and try again."
        ) from error


def _order_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("files", type=Path, nargs="*", metavar="FILE", help="order documents, YAML or JSON, to stage")
    parser.add_argument("--list", action="store_true", help="print the staged orders")
    parser.add_argument("--lift", metavar="ID", help="lift a staged order; needs --on and --reason")
    parser.add_argument("--on", metavar="DATE", help="when the order is lifted")
    parser.add_argument("--reason", metavar="TEXT", help="why it is lifted")
    parser.add_argument("--remove", metavar="ID", help="take a staged order out")


def _init(args: argparse.Namespace) -> int:
    workshop = Workshop.make(args.folder, _now(), _date(args.expires, "--expires"))
    root = workshop.root().signed
    show(
        args.json,
        {"workshop": str(args.folder), "root_version": root.version, "expires": time_text(root.expires.timestamp())},
        [
            f"{args.folder} is a workshop now; its root lasts until {time_text(root.expires.timestamp())}.",
            f"The private keys are in {workshop.keys}. Keep a copy where nobody else can read it.",
        ],
    )
    return 0


def _order(args: argparse.Namespace) -> int:
    asked = [bool(args.files), args.list, args.lift is not None, args.remove is not None]
    if sum(asked) != 1:
        raise CommandError("order takes one of: FILE..., --list, --lift ID --on DATE --reason TEXT, --remove ID")
    if (args.lift is None) != (args.on is None) or (args.lift is None) != (args.reason is None):
        raise CommandError("--lift, --on and --reason belong together: an order is lifted at a time and for a reason")
    workshop = Workshop(args.folder)
    if args.list:
        return _list(workshop, args.json)
    with workshop.locked():
        if args.lift is not None:
            workshop.lift(args.lift, args.on, args.reason)
            done = {"lifted": [args.lift]}
        elif args.remove is not None:
            workshop.remove(args.remove)
            done = {"removed": [args.remove]}
        else:
            documents = read_documents(args.files)
            workshop.stage(documents)
            done = {"staged": list(documents)}
    show(
        args.json,
        done,
        [
            *(f"{verb} {identifier}" for verb, identifiers in done.items() for identifier in identifiers),
            "Nothing is published yet; next: blockd authority sign",
        ],
    )
    return 0


def _list(workshop: Workshop, as_json: bool) -> int:
    now = _now().timestamp()
    rows = []
    for identifier in workshop.staged():
        document = workshop.document(identifier)
        order = document.order
        rows.append(
            {
                "id": order.id,
                "state": state_at(order, now).text,
                "action": str(order.action),
                "platform": order.platform,
                "in_force_from": time_text(order.in_force_from),
                "expires": None if order.expires is None else time_text(order.expires),
                "lifted_on": None if order.lifted_on is None else time_text(order.lifted_on),
                "names": len(document.entries),
            }
        )
    show(
        as_json,
        {"orders": rows},
        [
            f"{row['id']:40} {row['state']:9} {row['action']:9} {row['names']:>7} names  {row['platform']}"
            for row in rows
        ]
        or [f"No order is staged in {workshop.folder}."],
    )
    return 0


def _sign(args: argparse.Namespace) -> int:
    workshop = Workshop(args.folder)
    with workshop.locked():
        done = sign(workshop, _now(), _date(args.expires, "--expires"))
    expires = time_text(done.expires.timestamp())
    show(
        args.json,
        {
            "timestamp_version": done.timestamp_version,
            "targets_version": done.targets_version,
            "orders": done.orders,
            "changed": done.changed,
            "removed": done.removed,
            "expires": expires,
        },
        [
            *(f"signed {identifier}" for identifier in done.changed),
            *(f"left out {identifier}" for identifier in done.removed),
            f"{done.orders} orders in list version {done.targets_version}; sign again before {expires}.",
        ],
    )
    return 0


def _publish(args: argparse.Namespace) -> int:
    workshop = Workshop(args.folder)
    with workshop.locked():
        done = publish(workshop, args.target)
    show(
        args.json,
        {
            "folder": str(args.target),
            "targets_version": done.targets_version,
            "timestamp_version": done.timestamp_version,
            "written": done.written,
        },
        [f"{args.target} holds list version {done.targets_version}; {len(done.written)} files were new."],
    )
    return 0


_STEPS: dict[str, tuple[str, Callable[[argparse.Namespace], int]]] = {
    "init": ("make a workshop with fresh keys", _init),
    "order": ("stage, list, lift or remove orders", _order),
    "sign": ("sign the staged orders", _sign),
    "publish": ("copy what is signed to the folder that readers fetch from", _publish),
}


def _now() -> datetime:
    return datetime.now(UTC)


def _date(text: str | None, option: str) -> datetime | None:
    if text is None:
        return None
    try:
        found = datetime.fromtimestamp(time_from_text(text), UTC)
    except (ValueError, OverflowError) as error:
        raise CommandError(f"{option} {text!r} is no date such as 2026-12-31 or 2026-12-31T12:00:00Z") from error
    if found <= _now():
        raise CommandError(f"{option} {text} has passed already")
    return found
