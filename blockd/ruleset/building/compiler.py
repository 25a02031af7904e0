"""Compile what the feeds list into a ruleset file (see `blockd.ruleset.format`)."""

from __future__ import annotations

import sys
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from blockd.errors import RulesetError
from blockd.formats.taking import Lines, LineTaker
from blockd.orders import Order, OrderKey, Scope
from blockd.ruleset.building.builder import STEP, EntryBuilder, new_builder
from blockd.ruleset.building.claims import ClaimSets, Joins
from blockd.ruleset.building.writing import write_ruleset
from blockd.ruleset.catalogue import Catalogue, FeedRecord, OrderRecord, rank, room
from blockd.ruleset.format import BUCKET_SIZE, MAX_ENTRIES_SIZE, MAX_ORDERS, Header
from blockd.ruleset.gate.guard import Guard
from blockd.ruleset.gate.guard_filter import GuardFilter
from blockd.ruleset.gate.guard_report import GuardReport
from blockd.ruleset.parties import MayLift
from blockd.ruleset.salts import salts_of

Progress = Callable[[str, int, int], None]
"""Called with the stage, how much is done and of how much, 0 if the total is not known."""


def no_progress(stage: str, done: int, total: int) -> None:
    """Ignore progress."""


def accept_all(record: FeedRecord) -> None:
    """Accept every feed."""


def ignore_report(feed: str, report: GuardReport) -> None:
    """Ignore a report of held entries."""


@dataclass(frozen=True, slots=True)
class Listing:
    """Names that one order covers in one scope; `keys` is iterated once, and may be `Lines`.

    Without a scope they are empty names: they keep the wildcards above them away, and count as no names of the order.
    """

    order: Order
    scope: Scope
    keys: Iterable[bytes]


@dataclass(frozen=True, slots=True)
class FeedInput:
    """One feed's orders and listings.

    `orders` has every order that `listings` will name. Listings may be lazy; `rejected` is called after them.
    """

    name: str
    type: str
    priority: int
    digest: str
    orders: Sequence[Order]
    listings: Iterable[Listing]
    version: str = ""
    rejected: Callable[[], int] = field(default=lambda: 0)
    signed: bool = False  # the signer answers for each entry: nothing is held back
    asks_client: bool = False  # whether any of it is a network of clients
    may_lift: MayLift = field(default_factory=dict)


def compile_ruleset(
    feeds: Sequence[FeedInput],
    path: Path,
    *,
    created: int,
    randomness: Callable[[int], bytes],
    made_from: str = "",
    judge: Callable[[FeedRecord], None] = accept_all,
    guard: Guard | None = None,
    guards: Mapping[str, Guard] | None = None,
    held: Callable[[str, GuardReport], None] = ignore_report,
    progress: Progress = no_progress,
) -> Header:
    """Compile `feeds` into the file at `path`, which is replaced atomically, and return its header.

    `created` is in seconds since the epoch; `randomness(n)` returns n unpredictable octets; `judge` is called with each
    feed's record as soon as it is read, and may raise. What `guard` holds back, or the feed's own of `guards`, is in no
    entry and in no count; it is reported to `held`, by feed. Raises RulesetError if a limit of the format is exceeded,
    and whatever the listings and `judge` raise; the file at `path` is then unchanged.
    """
    if sys.byteorder != "little" or array("I").itemsize != 4:
        raise RulesetError("ruleset files are compiled on little-endian machines with a 32-bit unsigned int only")
    ranked = sorted(
        ((order, feed) for feed in feeds for order in feed.orders), key=lambda pair: rank(pair[0], pair[1].priority)
    )
    if len(ranked) > MAX_ORDERS:
        raise RulesetError(f"there are more than {MAX_ORDERS} orders")
    salts_of((order for order, _ in ranked), created)  # raises if there are too many, before anything is read
    claims = ClaimSets()
    index_of = {order.key(feed.name): index for index, (order, feed) in enumerate(ranked)}
    order_names, refused = [0] * len(ranked), [0] * len(ranked)
    hash_key = randomness(16)
    builder = new_builder(hash_key, MAX_ENTRIES_SIZE)
    guard, guards = guard or Guard(), guards or {}
    holding = GuardFilter(builder, (guard, *guards.values()), claims, [order for order, _ in ranked])
    records = []
    for feed in sorted(feeds, key=lambda feed: (feed.priority, feed.name)):
        names = 0
        own = frozenset(index_of[order.key(feed.name)] for order in feed.orders)
        rivals = _rivals(feed, index_of)
        for listing in _by_room(feed, created):
            index = index_of[listing.order.key(feed.name)]
            builder.start(Joins(claims, index, listing.scope, own, rivals[listing.order.role]))
            for done in add_keys(builder, listing.keys):
                progress(feed.name, done, 0)
            if not listing.scope:
                continue
            new_to_order, new_to_feed = builder.new()
            order_names[index] += new_to_order
            names += new_to_feed
            refused[index] += builder.refused
        taken = holding.feed(guards.get(feed.name, guard), own, signed=feed.signed)
        for index, count in taken.by_order.items():
            order_names[index] -= count
        names -= taken.names
        held(feed.name, taken.report)
        record = FeedRecord(
            feed.name, feed.type, feed.priority, names, feed.digest, feed.version, feed.rejected(), feed.asks_client,
            feed.may_lift,
        )  # fmt: skip
        judge(record)
        records.append(record)
    orders = tuple(OrderRecord(order, feed.name, order_names[i], refused[i]) for i, (order, feed) in enumerate(ranked))
    catalogue = Catalogue(tuple(records), orders, made_from)
    empty_names = builder.count(claims.empty)
    table, entries = builder.finish(lambda done, total: progress("writing", done, total))
    header = Header(
        build_id=randomness(16),
        hash_key=hash_key,
        created=created,
        entries=builder.entries - empty_names,
        names=builder.names - empty_names,
        empty_names=empty_names,
        buckets=len(table) // BUCKET_SIZE,
        max_labels=builder.max_labels,
        ipv4_prefixes=builder.ipv4_prefixes,
        ipv6_prefixes=builder.ipv6_prefixes,
    )
    return write_ruleset(path, header, catalogue, claims.words, table, [entries])


def _rivals(feed: FeedInput, index_of: Mapping[OrderKey, int]) -> dict[str, frozenset[int]]:
    """Return the orders of each role of a feed: they share the room on one entry."""
    by_role: dict[str, set[int]] = {}
    for order in feed.orders:
        by_role.setdefault(order.role, set()).add(index_of[order.key(feed.name)])
    return {role: frozenset(indices) for role, indices in by_role.items()}


def _by_room(feed: FeedInput, created: int) -> Iterable[Listing]:
    """Return the listings of a feed, of a signed one those first whose orders have room first."""
    if not feed.signed:
        return feed.listings
    return sorted(feed.listings, key=lambda listing: room(listing.order, created))


def add_keys(builder: EntryBuilder, keys: Iterable[bytes]) -> Iterator[int]:
    """Add keys to a builder; yield now and then how many it was so far."""
    if isinstance(keys, Lines) and isinstance(builder, LineTaker):
        yield from keys.add_to(builder)
        return
    done = 0
    keys = iter(keys)
    while batch := list(islice(keys, STEP)):
        builder.add_keys(batch)
        done += len(batch)
        yield done
