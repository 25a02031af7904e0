"""A version kept with other overrides on top: an override holds over every version, also over one that is pinned.

What the version's lists were compiled from is no longer kept, so it is made from the version's file alone. Its entries
stay where they are. Overrides that are new are added; those that it has and that are no longer made are lifted.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from blockd.compile.amend import write
from blockd.errors import RulesetError
from blockd.orders import Order, OrderDocument
from blockd.ruleset import Catalogue, FeedRecord, OrderRecord, Ruleset
from blockd.ruleset.building.amender import Amender
from blockd.ruleset.catalogue import rank
from blockd.ruleset.format import MAX_ORDERS
from blockd.ruleset.versions.diff import Changes
from blockd.settings.feeds import OVERRIDES

NO_LONGER = "It is no longer among the overrides."


@dataclass(frozen=True, slots=True)
class Overrides:
    """The overrides as accepted; `digest` is of the file that they are from, empty if there never was one."""

    digest: str = ""
    documents: tuple[OrderDocument, ...] = ()

    def are_in(self, catalogue: Catalogue) -> bool:
        """Return whether a ruleset was made with these overrides."""
        return digest_in(catalogue) == self.digest


@dataclass(frozen=True, slots=True)
class Amended:
    """What was made: its content, some keys that have changed, and how many against the version it was made from."""

    content: str
    names: tuple[bytes, ...]
    changes: Changes


def digest_in(catalogue: Catalogue) -> str:
    """Return the digest of the overrides that a ruleset was made with; empty if there were none."""
    own = catalogue.feed(OVERRIDES)
    return own.digest if own is not None else ""


def content_with(base: Catalogue, digest: str) -> str:
    """Return the fingerprint of a version with the overrides of a digest on top, unlike that of any compiled one."""
    if digest_in(base) == digest:
        return base.made_from
    return hashlib.sha256(json.dumps(["overrides", base.made_from, digest]).encode()).hexdigest()


def with_overrides(
    base: Path, overrides: Overrides, path: Path, *, created: int, randomness: Callable[[int], bytes]
) -> Amended:
    """Write the ruleset at `base` with these overrides instead of its own to `path`, verified but not synced.

    Raises RulesetError if the file is damaged, or has no room for them.
    """
    with ExitStack() as stack:
        ruleset = Ruleset.open(base, verify=False)
        stack.callback(ruleset.close)
        sound = stack.enter_context(ThreadPoolExecutor(1)).submit(ruleset.verify)
        amender = Amender(ruleset, must_fit=True)
        stack.callback(amender.release)
        orders, touched = _replaced(ruleset, amender, overrides.documents, created)
        names = sum(feed.names for feed in ruleset.catalogue.feeds if feed.name == OVERRIDES) + sum(touched.values())
        own = FeedRecord(OVERRIDES, OVERRIDES, 0, names, overrides.digest)
        changes = amender.changes()  # before the orders are renumbered
        catalogue = _catalogue(ruleset.catalogue, own, orders, amender)
        write(path, ruleset, amender, catalogue, created, randomness, sound.result)
        return Amended(catalogue.made_from, tuple(touched), changes)


def _replaced(
    ruleset: Ruleset, amender: Amender, documents: Sequence[OrderDocument], now: int
) -> tuple[list[OrderRecord], dict[bytes, bool]]:
    """Return the orders with these overrides, in the places that `amender` knows, and the keys that were changed.

    The value of a key says whether no override listed it before.
    """
    orders = list(ruleset.catalogue.orders)
    known = {record.order.id: index for index, record in enumerate(orders) if record.feed == OVERRIDES}
    own = set(known.values())
    changed: dict[bytes, bool] = {}
    taken = set(known) | {document.order.id for document in documents}
    for document in documents:
        index = known.get(document.order.id)
        if index is not None and _lists(ruleset, index, document):
            orders[index] = replace(orders[index], order=document.order)
            del known[document.order.id]
            continue
        if index is not None:  # the file was edited: the same id, another name
            former = next(name for number in range(1, MAX_ORDERS) if (name := f"former-{number}") not in taken)
            taken.add(former)
            orders[index] = replace(orders[index], order=replace(orders[index].order, id=former))
            known[former] = known.pop(document.order.id)
        amender.owners[len(orders)] = OVERRIDES, ""
        for entry in document.entries:
            before, _ = amender.rescope(entry.key, {len(orders): (0, int(entry.scope))})
            changed[entry.key] = own.isdisjoint(before)
        own.add(len(orders))
        orders.append(OrderRecord(document.order, OVERRIDES, len(document.entries)))
    for index in known.values():
        orders[index] = replace(orders[index], order=_lifted(orders[index].order, now))
    return orders, changed


def _lists(ruleset: Ruleset, index: int, document: OrderDocument) -> bool:
    """Return whether the order at `index` lists what an override does, and no more."""
    claims = [ruleset.claims(entry.key) for entry in document.entries]
    listed = [
        (index, int(entry.scope)) in [tuple(claim) for claim in found]
        for entry, found in zip(document.entries, claims, strict=True)
    ]
    return all(listed) and ruleset.catalogue.orders[index].names == len(document.entries)


def _lifted(order: Order, now: int) -> Order:
    """Return an override's order as ended now, or before if it had ended."""
    if order.lifted_on is not None and order.lifted_on <= now:
        return order
    return replace(order, lifted_on=now, lifted_reason=NO_LONGER)


def _catalogue(base: Catalogue, own: FeedRecord, orders: list[OrderRecord], amender: Amender) -> Catalogue:
    """Return the catalogue with its orders ranked anew; the claims of `amender` are changed accordingly."""
    if not 0 < len(orders) <= MAX_ORDERS:
        raise RulesetError(f"there are none or more than {MAX_ORDERS} orders")
    feeds = sorted(
        (own, *(feed for feed in base.feeds if feed.name != OVERRIDES)), key=lambda feed: (feed.priority, feed.name)
    )
    priorities = {feed.name: feed.priority for feed in feeds}

    def key(index: int) -> tuple[int, int, int, str]:
        return rank(orders[index].order, priorities[orders[index].feed])

    ranked = sorted(range(len(orders)), key=key)
    if ranked != list(range(len(orders))):
        amender.claims.renumber({index: place for place, index in enumerate(ranked)})
    return Catalogue(tuple(feeds), tuple(orders[index] for index in ranked), content_with(base, own.digest))
