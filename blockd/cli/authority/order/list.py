"""`blockd authority order list`: the orders, and how far each has come: staged, signed, published, seen by a node."""

from __future__ import annotations

import argparse
from collections.abc import Mapping

from blockd.cli.authority.dates import now
from blockd.cli.authority.order.node import SeenByNode, seen_by
from blockd.cli.output import show
from blockd.errors import BadOrder
from blockd.orders import OrderDocument, parse_document, state_at
from blockd.orders.key import spelled
from blockd.publish import Workshop
from blockd.publish.signed_orders import GONE, PUBLISHED, OrderProgress, difference, progress_of
from blockd.times import time_text


def run(args: argparse.Namespace) -> int:
    """Run the command and return the exit code."""
    workshop = Workshop(args.folder)
    roles = ["", *workshop.roles()] if args.role is None else [args.role]
    moment = now().timestamp()
    seen = seen_by(args.node) if args.node else None
    rows = []
    for role in roles:
        if role:
            workshop.authority_of(role)
        for progress in progress_of(workshop, role):
            if progress.staged is not None:
                workshop.document(progress.identifier, role)  # raises if it is damaged
            rows.append(row_of(workshop, progress, moment, seen))
    show(
        args.json,
        {"orders": rows},
        [line_of(row) for row in rows] or [f"No order is staged in {workshop.folder}."],
    )
    return 0


def row_of(
    workshop: Workshop, progress: OrderProgress, moment: float, seen: SeenByNode | None = None
) -> dict[str, object]:
    """Return what is known of an order; `state` is that of what is published, and empty if nothing is."""
    differs, fields = difference(progress.staged, progress.signed)
    row: dict[str, object] = {
        "id": progress.identifier,
        "role": progress.role,
        "state": _state(progress.published, moment),
        "staged_state": _state(progress.staged, moment),
        "reached": progress.reached,
        "differs": differs,
        "fields": fields,
    }
    if seen is not None:
        row["seen_by_node"] = seen.has(workshop, progress)
    document = _parsed(progress.staged)
    return row if document is None else {**row, **_facts(document)}


def _facts(document: OrderDocument) -> dict[str, object]:
    order = document.order
    dates = ("in_force_from", "expires", "review_by", "lifted_on")
    return {
        "action": str(order.action),
        "platform": order.platform,
        **{name: None if (at := getattr(order, name)) is None else time_text(at) for name in dates},
        "names": document.names.last.count if document.names else len(document.entries),
        "confidential": order.is_confidential,
    }


def _state(document: Mapping[str, object] | None, moment: float) -> str:
    parsed = _parsed(document)
    return "" if parsed is None else state_at(parsed.order, moment).text


def _parsed(document: Mapping[str, object] | None) -> OrderDocument | None:
    try:
        return parse_document(document, "the order") if document else None
    except BadOrder:
        return None


def line_of(row: Mapping[str, object]) -> str:
    """Return an order as a line: first what is in force of it outside, at the end how far the staged one has come."""
    name = spelled(str(row["role"]), str(row["id"]))
    stands = str(row["state"] or "-")
    seen = {None: "", True: "; seen by the node", False: "; not seen by the node"}[row.get("seen_by_node")]  # type: ignore[index]
    if row["differs"] == GONE:
        return f"{name:40} {stands:9} no longer staged; the next signing leaves it out{seen}"
    end = row["lifted_on"] or row["expires"]
    dates = f"{str(row['in_force_from'])[:10]} to {str(end)[:10] if end else 'no end':10}"
    kind = "hidden names" if row["confidential"] else "names"
    told = f"{row['names']:>11,} {kind:12}  {row['platform']}  ({_reached(row)}{seen})"
    return f"{name:40} {stands:9} {row['action']:9} {dates} {told}"


def _reached(row: Mapping[str, object]) -> str:
    """Return how far the staged order has come, and what would be new outside."""
    if row["reached"] == PUBLISHED:
        return PUBLISHED
    fields, will_be = row["fields"], row["staged_state"]
    what = str(row["differs"])
    if isinstance(fields, tuple) and fields:
        what += f" {', '.join(fields)}"
    will = f"; then {will_be}" if will_be != row["state"] else ""
    return f"{row['reached']}: {what}{will}" if what != "signed" else f"{row['reached']}{will}"
