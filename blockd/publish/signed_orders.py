"""The staged orders, compared with those that are signed and published: how far each has come."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

from tuf.api.metadata import Metadata, Targets

from blockd.orders.repository import ORDERS, place_of
from blockd.publish.next_metadata import content_of
from blockd.publish.pending import read_pending
from blockd.publish.workshop import TARGETS, Workshop

NEW, CHANGED, SIGNED, GONE = "new", "changed", "signed", "removed"  # a staged order beside the signed one

# How far an order has come, as it is staged.
ONLY_STAGED, WAITING, NOT_PUBLISHED, PUBLISHED = "staged", "waits for signatures", "signed, not published", "published"

Document = dict[str, object]


@dataclass(frozen=True, slots=True)
class OrderProgress:
    """One order of a role: as it is staged, signed and published, each None if it is not; without `published`."""

    identifier: str
    role: str
    staged: Document | None
    pending: Document | None
    signed: Document | None
    published: Document | None

    @property
    def reached(self) -> str:
        """How far the staged order has come; of one that is no longer staged, how far its removal has."""
        if self.staged == self.published == self.signed:
            return PUBLISHED
        if self.staged == self.signed:
            return NOT_PUBLISHED
        return WAITING if self.staged is not None and self.staged == self.pending else ONLY_STAGED


def progress_of(workshop: Workshop, role: str = "") -> Iterator[OrderProgress]:
    """Yield the orders of a role, by id: those that are staged, and those that are still signed or published."""
    name = role or TARGETS
    staged = {identifier: _decoded(content) for identifier, content in workshop.staged(role).items()}
    waiting = read_pending(workshop, name)
    pending = orders_in(workshop, role, waiting if waiting and isinstance(waiting.signed, Targets) else None)
    signed = orders_in(workshop, role, workshop.accepted(name))
    published = orders_in(workshop, role, workshop.published(name))
    for it in sorted(staged.keys() | signed.keys() | published.keys()):
        yield OrderProgress(it, role, staged.get(it), pending.get(it), signed.get(it), published.get(it))


def orders_in(workshop: Workshop, role: str, metadata: Metadata[Targets] | None) -> dict[str, Document]:
    """Return the documents that a role's metadata lists, by id, without `published`; empty if one is damaged."""
    prefix = place_of(ORDERS, role)
    found = {}
    for path, target in (metadata.signed.targets if metadata else {}).items():
        if path.startswith(prefix) and "/" not in path.removeprefix(prefix):
            content = content_of(workshop, target)
            found[path.removeprefix(prefix).removesuffix(".json")] = {} if content is None else _decoded(content)
    return found


def difference(staged: Document | None, signed: Document | None) -> tuple[str, tuple[str, ...]]:
    """Return how a staged order relates to the signed one, and the fields in which they differ."""
    if staged is None:
        return GONE, ()
    if signed is None:
        return NEW, ()
    fields = tuple(sorted(name for name in staged.keys() | signed.keys() if staged.get(name) != signed.get(name)))
    return (CHANGED if fields else SIGNED), fields


def _decoded(content: bytes) -> Document:
    """Return a document without the date at which it was signed; empty if it is damaged."""
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    if not isinstance(document, dict):
        return {}
    document.pop("published", None)
    return document
