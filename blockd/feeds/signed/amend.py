"""Amending by a signed repository: the differences between its accepted and its new version.

Orders are compared by role and id. If only texts and dates of an order differ, its names are not compared. While
entries are changed a new order has an index after all others, and a removed one keeps its own; `blockd.compile.amend`
then gives all of them the indices that compiling would.
"""

from __future__ import annotations

import mmap
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from blockd.errors import BadOrder, FeedRefused, RulesetError, cause_of
from blockd.feeds.amendment import NEWS, Amending, Amendment
from blockd.feeds.candidate import Candidate, Content
from blockd.feeds.signed.bundle import lifted_by, may_lift_of, read_content, read_document
from blockd.feeds.signed.list_lines import StoredListNames, check_digest, check_size
from blockd.feeds.signed.list_texts import text_path
from blockd.formats.body import open_regular
from blockd.formats.changes import MAX_CHANGED, list_changes
from blockd.formats.domains import Domains
from blockd.formats.rejects import RejectReport
from blockd.names import MAX_LABEL, is_hashed_key
from blockd.orders import ListStep, Order, OrderDocument
from blockd.orders.key import spelled
from blockd.ruleset import OrderRecord
from blockd.ruleset.catalogue import FeedRecord, rank
from blockd.ruleset.gate.guard import Guard, GuardVerdict
from blockd.ruleset.gate.guard_report import GuardReport
from blockd.ruleset.parties import MayLift
from blockd.settings import Feed

_Place = tuple[str, str]
"""The role and the id of an order, which tell it from the others of its feed."""

_Scopes = dict[bytes, tuple[int, int]]
"""By key, the old and the new scope of an order; 0 for none."""


@dataclass(frozen=True, slots=True)
class _Version:
    """One version of a feed's documents, by the role and the id of each order, as the bundle has them."""

    folder: Path
    number: str
    documents: dict[_Place, Any]
    may_lift: MayLift

    @classmethod
    def read(cls, content: Content, feed: Feed) -> _Version:
        """Read a bundle; raises FeedRefused as `read_bundle` does, ValueError if two orders have one role and id."""
        bundle = read_content(content.path)
        documents = {_place_of(document["order"]): document for document in bundle["documents"]}
        if len(documents) != len(bundle["documents"]):
            raise ValueError("two orders have one role and id")
        may_lift = lifted_by(feed.name, may_lift_of(bundle))
        return cls(content.path.parent, str(int(bundle["targets_version"])), documents, may_lift)

    def document(self, place: _Place) -> OrderDocument | None:
        """Return the document of an order; None if there is none."""
        known = self.documents.get(place)
        return None if known is None else read_document(known, spelled(*place))


def _place_of(order: Mapping[str, Any]) -> _Place:
    return str(order.get("_role", "")), str(order["id"])


def amend_signed(feed: Feed, candidate: Candidate, amending: Amending) -> Amendment | None:
    """Amend the entries of a feed's orders and their records; None if they must be compiled.

    Raises RulesetError if the ruleset does not hold what it should, and FeedRefused as the gate does, or if a bundle
    or a list cannot be used.
    """
    assert candidate.incoming is not None  # noqa: S101 - it has news
    try:
        new = _Version.read(candidate.incoming, feed)
        if candidate.accepted is None:  # its first content
            old, amending = _Version(new.folder, "", {}, {}), _with_feed(amending, feed)
        else:
            old = _Version.read(candidate.accepted, feed)
        return _amended(feed, candidate.incoming, old, new, amending)
    except (ValueError, TypeError, KeyError, AttributeError, BadOrder):
        return None


def _with_feed(amending: Amending, feed: Feed) -> Amending:
    """Return `amending` with a new feed in the catalogue, in the place that compiling would give it."""
    catalogue = amending.catalogue
    if any(record.name == feed.name for record in catalogue.feeds):
        raise RulesetError(f"the ruleset has the feed {feed.name} already")
    record = FeedRecord(feed.name, feed.type, feed.priority, 0, "")
    feeds = sorted((*catalogue.feeds, record), key=lambda record: (record.priority, record.name))
    return replace(amending, catalogue=replace(catalogue, feeds=tuple(feeds)))


def _amended(feed: Feed, content: Content, old: _Version, new: _Version, amending: Amending) -> Amendment | None:
    catalogue, amender, gate = amending.catalogue, amending.amender, amending.gate
    index_of = {
        (record.order.role, record.order.id): index
        for index, record in enumerate(catalogue.orders)
        if record.feed == feed.name
    }
    if index_of.keys() != old.documents.keys():
        return None
    before = {index: catalogue.orders[index].order for index in index_of.values()}
    orders = list(catalogue.orders)
    full = {record.order.role for record in orders if record.feed == feed.name and record.refused}
    touched: dict[bytes, dict[int, tuple[int, int]]] = {}
    for place in old.documents | new.documents:
        if old.documents.get(place) == new.documents.get(place):
            continue
        one, two = old.document(place), new.document(place)
        if not full.isdisjoint(document.order.role for document in (one, two) if document is not None):
            return None  # another of its orders may have room now
        if one is None:
            assert two is not None  # noqa: S101 - it is in one of them
            index_of[place] = len(orders)
            orders.append(OrderRecord(two.order, feed.name, 0))
            amender.owners[index_of[place]] = orders[-1].owner
        elif two is not None:
            orders[index_of[place]] = replace(orders[index_of[place]], order=two.order)
        scopes = _scopes(one, two, old.folder, new.folder, bool(gate.guard))
        if scopes is None or len(touched) + len(scopes) > MAX_CHANGED:
            return None
        for key, change in scopes.items():
            touched.setdefault(key, {})[index_of[place]] = change
    gone = frozenset(index for place, index in index_of.items() if place not in new.documents)
    after = {index: orders[index].order for index in index_of.values() if index not in gone}
    reasons = _Reasons(gate.guard, amending.held, before, after)
    if not reasons.can_tell():
        return None
    names = {index: orders[index].names for index in index_of.values()}
    [at] = [at for at, record in enumerate(catalogue.feeds) if record.name == feed.name]
    feed_names = catalogue.feeds[at].names
    for key, changes in touched.items():
        had, has = amender.rescope(key, changes)
        reasons.moved(key, had, has)
        for index, (one_scope, two_scope) in changes.items():
            names[index] += bool(two_scope) - bool(one_scope)
        feed_names += (not after.keys().isdisjoint(has)) - (not before.keys().isdisjoint(had))
    if any(names[index] for index in gone):
        raise RulesetError("an order that is gone listed more than its document says")
    for index, count in names.items():
        orders[index] = replace(orders[index], names=count)
    feeds = list(catalogue.feeds)
    feeds[at] = replace(feeds[at], names=feed_names, digest=content.digest, version=new.number, may_lift=new.may_lift)
    gate.check(feeds[at], None)  # as `build` judges what is signed
    news = tuple(islice((key for key in touched if key[0] <= MAX_LABEL), 2 * NEWS))
    return Amendment(replace(catalogue, feeds=tuple(feeds), orders=tuple(orders)), news, gone=gone)


def _scopes(
    old: OrderDocument | None, new: OrderDocument | None, old_folder: Path, new_folder: Path, guarded: bool
) -> _Scopes | None:
    """Return the scopes that differ between two versions of an order; None if they are too many.

    If something is `guarded` and the order's action has changed, everything that it covers is returned: its entries may
    be held back for another reason.
    """
    is_other = guarded and old is not None and new is not None and old.order.action != new.order.action
    if old is not None and new is not None and not is_other:
        if old.entries == new.entries and old.names is None and new.names is None:
            return {}
        if old.names is not None and new.names is not None and old.scope == new.scope:
            return _list_scopes(old, new, old_folder, new_folder)
    one, two = _covered(old, old_folder), _covered(new, new_folder)
    if one is None or two is None:
        return None
    pairs = {key: (one.get(key, 0), two.get(key, 0)) for key in one | two}
    return {key: pair for key, pair in pairs.items() if is_other or pair[0] != pair[1]}


def _covered(document: OrderDocument | None, folder: Path) -> dict[bytes, int] | None:
    """Return all that an order covers, with the scopes; None if it is too much."""
    if document is None:
        return {}
    if document.names is not None:
        step = document.names.last
        if step.count > MAX_CHANGED:
            return None
        return dict.fromkeys(StoredListNames(text_path(folder, step), step), int(document.scope))
    found: dict[bytes, int] = {}
    for entry in document.entries:
        found[entry.key] = found.get(entry.key, 0) | entry.scope
    return found


def _list_scopes(old: OrderDocument, new: OrderDocument, old_folder: Path, new_folder: Path) -> _Scopes | None:
    """Return the scopes that differ between two texts of one order's list."""
    assert old.names is not None  # noqa: S101 - `_scopes` has looked
    assert new.names is not None  # noqa: S101
    one, two = old.names.last, new.names.last
    if one.sha256 == two.sha256:
        return {}
    with _mapped(old_folder, one) as old_text, _mapped(new_folder, two) as new_text:
        if old_text[-1:] != b"\n" or new_text[-1:] != b"\n":
            return None
        before = RejectReport(lines=one.count, accepted=one.count)
        changes = list_changes(Domains(), old_text, new_text, before, one.count)
    if changes is None or changes.rejects.rejected or changes.rejects.accepted != two.count:
        return None
    check_digest(text_path(new_folder, two), two)
    scope = int(new.scope)
    return dict.fromkeys(changes.removed, (scope, 0)) | dict.fromkeys(changes.added, (0, scope))


def _mapped(folder: Path, step: ListStep) -> mmap.mmap:
    """Map the text of a list after one of its steps; raises FeedRefused if it is missing or of the wrong size."""
    path = text_path(folder, step)
    check_size(path, step)
    with open_regular(path) as file:
        try:
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except (OSError, ValueError) as error:
            raise FeedRefused("missing", f"The list of {step.target} cannot be read: {cause_of(error)}.") from error


class _Reasons:
    """Updates the report of entries that would be held back if they were not signed, as `GuardFilter` does."""

    def __init__(
        self, guard: Guard, held: GuardReport, before: Mapping[int, Order], after: Mapping[int, Order]
    ) -> None:
        """Begin with the feed's orders by index, before and after."""
        self._guard, self._held, self._before, self._after = guard, held, before, after

    def can_tell(self) -> bool:
        """Return whether unchanged entries keep their reasons, which are those of the first order in rank."""
        if not self._held.total:
            return True
        stayed = [index for index in self._before if index in self._after]
        return sorted(stayed, key=lambda index: _rank(self._before[index])) == sorted(
            stayed, key=lambda index: _rank(self._after[index])
        )

    def moved(self, key: bytes, had: Mapping[int, int], has: Mapping[int, int]) -> None:
        """Record a name's old and new scopes, by order; raises RulesetError if the report cannot be updated."""
        if is_hashed_key(key) or not self._guard:
            return
        old, new = self._found(key, had, self._before), self._found(key, has, self._after)
        if old == new:
            return
        if old is not None:
            self._held.remove(old.reason, key, old.scope)
        if new is not None:
            self._held.add(new.reason, key, new.scope, reported=self._guard.only_reports(new.reason))

    def _found(self, key: bytes, scopes: Mapping[int, int], orders: Mapping[int, Order]) -> GuardVerdict | None:
        own = sorted((index for index in scopes if index in orders), key=lambda index: _rank(orders[index]))
        return self._guard.finding(key, [(scopes[index], orders[index].action) for index in own])


def _rank(order: Order) -> tuple[int, int, int, str]:
    return rank(order, 0)  # of one feed, so its priority does not matter
