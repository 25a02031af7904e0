"""`blockd authority order list`: the staged orders, and how they stand to what is signed."""

from __future__ import annotations

import argparse
import json

from blockd.cli.authority.dates import now
from blockd.cli.output import show
from blockd.orders import OrderDocument, state_at
from blockd.orders.key import spelled
from blockd.publish import Workshop
from blockd.publish.signed_orders import GONE, difference, signed_orders
from blockd.times import time_text


def run(args: argparse.Namespace) -> int:
    """Run the command and return the exit code."""
    workshop = Workshop(args.folder)
    roles = ["", *workshop.roles()] if args.role is None else [args.role]
    moment = now().timestamp()
    rows = [row for role in roles for row in _rows(workshop, role, moment)]
    show(
        args.json,
        {"orders": rows},
        [_line(row) for row in rows] or [f"No order is staged in {workshop.folder}."],
    )
    return 0


def _rows(workshop: Workshop, role: str, moment: float) -> list[dict[str, object]]:
    if role:
        workshop.authority_of(role)
    signed = signed_orders(workshop, role)
    rows = []
    for identifier, content in workshop.staged(role).items():
        document = workshop.document(identifier, role)
        differs, fields = difference(json.loads(content), signed.pop(identifier, None))
        rows.append(_row(document, role, moment) | {"differs": differs, "fields": fields})
    rows.extend({"id": identifier, "role": role, "state": "", "differs": GONE} for identifier in signed)
    return rows


def _row(document: OrderDocument, role: str, moment: float) -> dict[str, object]:
    order = document.order
    dates = ("in_force_from", "expires", "review_by", "lifted_on")
    return {
        "id": order.id,
        "role": role,
        "state": state_at(order, moment).text,
        "action": str(order.action),
        "platform": order.platform,
        **{name: None if (at := getattr(order, name)) is None else time_text(at) for name in dates},
        "names": document.names.last.count if document.names else len(document.entries),
        "confidential": order.is_confidential,
    }


def _line(row: dict[str, object]) -> str:
    name = spelled(str(row["role"]), str(row["id"]))
    if row["differs"] == GONE:
        return f"{name:40} {'':9} no longer staged; the next signing leaves it out"
    end = row["lifted_on"] or row["expires"]
    dates = f"{str(row['in_force_from'])[:10]} to {str(end)[:10] if end else 'no end':10}"
    fields = row["fields"]
    changed = f": {', '.join(fields)}" if isinstance(fields, tuple) and fields else ""
    kind = "hidden names" if row["confidential"] else "names"
    stands = f"({row['differs']}{changed})"
    told = f"{row['names']:>11,} {kind:12}  {row['platform']}  {stands}"
    return f"{name:40} {row['state']:9} {row['action']:9} {dates} {told}"
