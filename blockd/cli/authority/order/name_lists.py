"""The names of a national-size order: from a list in a file to the files that nodes fetch."""

from __future__ import annotations

import argparse
from collections.abc import Mapping

from blockd.cli.authority.order.staging import confirm, gate_settings, rules_of, stage, staged_document
from blockd.cli.output import print_line, show
from blockd.cli.progress import progress_bar
from blockd.errors import PublishError
from blockd.orders import Action, Scope
from blockd.orders.repository import LISTS, place_of
from blockd.publish import Workshop
from blockd.publish.documents import check_documents
from blockd.publish.lists.files import ListFiles
from blockd.publish.lists.orders import (
    ListNews,
    Looked,
    NameFiles,
    count_of,
    look_through,
    popular_in,
    refuse_shrunk,
    refuse_unfit,
    without,
)
from blockd.ruleset.gate.guard import Guard


def name_files(workshop: Workshop) -> NameFiles:
    """Return what makes the files of lists in a workshop."""
    return ListFiles(workshop.folder)


def renew_list(
    args: argparse.Namespace, workshop: Workshop, role: str, document: Mapping[str, object], source: str, verb: str
) -> int:
    """Check the list, make its files, and stage the order with them; the caller holds the lock."""
    rules, gate = rules_of(args, workshop, role), gate_settings(args.config)
    if {"names", "hashed"} & document.keys() or document.get("confidential"):
        raise PublishError(f"{source} has names of its own, or is confidential; a list cannot stand beside that.")
    document = {**document, "list": document.get("list") or _stand_in(role)}
    checked = check_documents([(source, document)], rules)  # every other problem, before the long work
    identifier = next(iter(checked.documents))
    looked = _looked(args, document, rules.guard)
    for one in (*looked.rejects.text(), *looked.held.text()) if not args.json else ():
        print_line(one)
    refuse_unfit(args.list, looked, gate.max_rejects, leave_out=args.leave_out)
    before = count_of(staged_document(workshop, identifier, role))

    def accept(news: ListNews) -> None:
        if not args.shrink:
            refuse_shrunk(news.count, before, gate.max_shrink)

    asked = [f"{identifier}: {sentence}" for sentence in popular_in(looked)]
    confirm(args, asked)
    files = name_files(workshop)
    with without(args.list, looked.unfit) as names:
        value = files.renew(role, identifier, names, accept)
    news = files.report
    checked = check_documents([(source, {**document, "list": value})], rules)
    told = {"count": news.count, "added": news.added, "removed": news.removed, "download": news.octets}
    if not args.json:
        show(False, {}, [_sentence(identifier, news)])
    rejects = {**looked.rejects.to_json(), "left_out": looked.held.to_json()["reasons"]}
    stage(args, workshop, role, checked, verb, list=told, read=rejects, asked_back=asked)
    return 0


def _stand_in(role: str) -> dict[str, object]:
    """Return what stands for the list while the order is checked, before any file is made."""
    target = f"{place_of(LISTS, role)}none"
    return {"steps": [{"target": target, "sha256": "0" * 64, "size": 2, "count": 1}]}


def _looked(args: argparse.Namespace, document: Mapping[str, object], guard: Guard) -> Looked:
    action, scope = Action(str(document.get("action", "sinkhole"))), str(document.get("scope", "both"))
    with progress_bar() as bar:
        return look_through(
            args.list, guard, action, Scope.from_text(scope), lambda done, size: bar("looking through", done, size)
        )


def _sentence(identifier: str, news: ListNews) -> str:
    if not news.octets:
        return f"{identifier} has {news.count:,} names, the same as before; there is nothing new to fetch"
    return (
        f"{identifier} has {news.count:,} names: {news.added:,} added, {news.removed:,} removed; "
        f"a node fetches {news.octets:,} octets"
    )
