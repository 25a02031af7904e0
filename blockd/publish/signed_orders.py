"""The orders as last signed, compared with the staged ones: what the next signing would change."""

from __future__ import annotations

import json

from tuf.api.metadata import TargetFile

from blockd.orders.repository import ORDERS, place_of
from blockd.publish.next_metadata import content_of
from blockd.publish.workshop import Workshop

NEW, CHANGED, SIGNED, GONE = "new", "changed", "signed", "removed"

Document = dict[str, object]


def signed_orders(workshop: Workshop, role: str = "") -> dict[str, Document]:
    """Return the last signed documents by id, without `published`; empty if a file is missing or damaged."""
    prefix = place_of(ORDERS, role)
    return {
        path.removeprefix(prefix).removesuffix(".json"): _document(workshop, target)
        for path, target in _targets(workshop, role).items()
        if path.startswith(prefix) and "/" not in path.removeprefix(prefix)
    }


def difference(staged: Document | None, signed: Document | None) -> tuple[str, tuple[str, ...]]:
    """Return how a staged order relates to the signed one, and the fields in which they differ."""
    if staged is None:
        return GONE, ()
    if signed is None:
        return NEW, ()
    fields = tuple(sorted(name for name in staged.keys() | signed.keys() if staged.get(name) != signed.get(name)))
    return (CHANGED if fields else SIGNED), fields


def _targets(workshop: Workshop, role: str) -> dict[str, TargetFile]:
    accepted = workshop.accepted(role or "targets")
    return accepted.signed.targets if accepted else {}


def _document(workshop: Workshop, target: TargetFile) -> Document:
    content = content_of(workshop, target)
    try:
        document = {} if content is None else json.loads(content)
    except ValueError:
        return {}
    document.pop("published", None)
    return dict(document)
