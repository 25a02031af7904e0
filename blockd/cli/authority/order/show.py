"""`blockd authority order show`: an order as subscribers and nodes will see it."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice

from blockd.cli.authority.dates import now
from blockd.cli.authority.order.list import line_of, row_of
from blockd.cli.authority.order.node import seen_by
from blockd.cli.authority.order.page_text import page_lines
from blockd.cli.authority.order.staging import role_of
from blockd.cli.output import show
from blockd.dns import types
from blockd.errors import CommandError
from blockd.files import replace_file
from blockd.orders import Action, Entry, OrderDocument, OrderKey, OrderNames, Reason, Scope, State, Verdict
from blockd.orders.disclosure import UNNAMED, codes, error_text, public_fields, public_text
from blockd.orders.structured import structured_text
from blockd.publish import Workshop
from blockd.publish.signed_orders import OrderProgress, progress_of
from blockd.web.negotiate import Language, language_of
from blockd.web.page import blocked_page, name_text
from blockd.web.site import Site

MAX_NAMES = 20  # names that are listed; `--json` has them all
_ANSWERS = {
    Action.SINKHOLE: "the node's sinkhole address for A and AAAA, no data for other types",
    Action.NXDOMAIN: "NXDOMAIN: the name does not exist",
    Action.NODATA: "no data: the name exists, without what is asked for",
    Action.REFUSED: "REFUSED",
    Action.DROP: "none",
    Action.TCP_ONLY: "over UDP a truncated one, over TCP as if the name were not listed",
    Action.MONITOR: "as if the name were not listed; the question is counted",
    Action.ALLOW: "as if the name were not listed, whatever else this authority orders",
}
_ERROR_NAMES = {types.EDE_BLOCKED: "Blocked", types.EDE_CENSORED: "Censored", types.EDE_FILTERED: "Filtered"}
_SILENT = (Action.DROP, Action.MONITOR, Action.ALLOW)


def run(args: argparse.Namespace) -> int:
    """Run the command and return the exit code."""
    workshop = Workshop(args.folder)
    role = role_of(args, workshop)
    document = _as_called(workshop, workshop.document(args.identifier, role), role)
    [progress] = [it for it in progress_of(workshop, role) if it.identifier == args.identifier]
    row = row_of(workshop, progress, now().timestamp(), seen_by(args.node) if args.node else None)
    language = language_of(args.language)
    page = _page(document, language)
    if args.page is not None:
        if not page:
            raise CommandError(f"No visitor sees a page for {args.identifier}: its action is {document.order.action}.")
        replace_file(args.page, page.encode())
    order = document.order
    shown = codes(order)
    told = order.action not in _SILENT
    page_says = page_lines(page)
    data = {
        **row,
        "order": public_fields(order),
        "entries": [{"name": public_text(entry), "scope": entry.scope.text} for entry in document.entries],
        "dns": _answer(document),
        "extended_error": {"code": shown.extended_error, "text": error_text(order, UNNAMED)} if told else None,
        "structured_error": (structured_text(order, UNNAMED) or None) if told else None,
        "http_status": shown.status if page else None,
        "page": page_says,
    }
    show(args.json, data, _lines(document, progress, row, data, page_says))
    return 0


def _as_called(workshop: Workshop, document: OrderDocument, role: str) -> OrderDocument:
    """Return an order of a role with what nodes call it, as far as no other feed of theirs has the same role."""
    names = OrderNames(OrderKey("", one, of) for one in ("", *workshop.roles()) for of in workshop.staged(one))
    order = replace(document.order, role=role)
    return replace(document, order=replace(order, shown=names.shown(order.key("")).removeprefix("/")))


def _lines(
    document: OrderDocument,
    progress: OrderProgress,
    row: dict[str, object],
    data: dict[str, object],
    page: list[str],
) -> Iterator[str]:
    yield line_of(row)
    if progress.published is None:
        yield "No node has it yet. Once it is signed, published and in force:"
    yield f"names: {row['names']:,}"
    for entry in islice(document.entries, MAX_NAMES):
        yield f"  {_covered(entry)}"
    if len(document.entries) > MAX_NAMES:
        yield f"  and {len(document.entries) - MAX_NAMES:,} more; --json lists them all"
    yield f"DNS answer: {data['dns']}"
    error = data["extended_error"]
    if isinstance(error, dict):
        yield f"  Extended DNS Error {error['code']} ({_ERROR_NAMES[error['code']]}): {error['text']}"
        if data["structured_error"]:
            yield f"  to browsers that ask for the reason over TLS or HTTPS: {data['structured_error']}"
    if data["http_status"]:
        yield f"Block page (HTTP {data['http_status']}), as a visitor sees it:"
        yield from (f"  {line}" for line in page)


def _covered(entry: Entry) -> str:
    what = {Scope.BOTH: "and every name under it", Scope.EXACT: "alone", Scope.SUBDOMAINS: "only the names under it"}
    is_name = entry.key[0] < 0x40
    return f"{public_text(entry)}: {what[entry.scope]}" if is_name else public_text(entry)


def _answer(document: OrderDocument) -> str:
    order = document.order
    return f"an alias of {order.cname}" if order.action is Action.CNAME else _ANSWERS[order.action]


def _page(document: OrderDocument, language: Language) -> str:
    """Return the block page of the order's first name, empty if a visitor sees none."""
    order = document.order
    if order.action is not Action.SINKHOLE:
        return ""
    entry = document.entries[0] if document.entries else None
    verdict = Verdict(Reason.LISTED, order, entry, "", 0, state=State.IN_FORCE)
    site = Site("", lambda *_: verdict, lambda *_: None, lambda _: None)
    is_named = entry is not None and entry.key[0] < 0x40 and not order.is_confidential
    return blocked_page(site, name_text(entry.key) if is_named and entry else "", verdict, language)
