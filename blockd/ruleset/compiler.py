"""Compile what the feeds list into a ruleset file (see `blockd.ruleset.format`)."""

from __future__ import annotations

import hashlib
import sys
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from blockd.errors import RulesetError
from blockd.names.network import KEY_IPV4
from blockd.orders import Order, Scope
from blockd.ruleset.catalogue import Catalogue, FeedRecord, OrderRecord, rank
from blockd.ruleset.format import (
    BUCKET_SIZE,
    ENTRY,
    FILL,
    HEADER_SIZE,
    MAX_CLAIMS,
    MAX_ENTRIES_SIZE,
    MAX_ORDERS,
    MAX_PROBES,
    SCOPE_BITS,
    SLOTS,
    Header,
    Section,
    aligned,
    hash_of,
)
from blockd.ruleset.replace import replacing

STEP = 20_000  # names between two calls of the progress callback

Progress = Callable[[str, int, int], None]
"""Called with the stage, how much is done and of how much, 0 where that is not known."""


def unheard(stage: str, done: int, total: int) -> None:
    """Take progress that nobody watches."""


def unjudged(record: FeedRecord) -> None:
    """Take a feed's record that nobody judges."""


@dataclass(frozen=True, slots=True)
class Listing:
    """Some names that one order covers in one scope; `keys` is read once."""

    order: Order
    scope: Scope
    keys: Iterable[bytes]


@dataclass(frozen=True, slots=True)
class FeedInput:
    """One feed's orders and listings.

    `orders` has every order that `listings` will name; the listings may be lazy, and `rejected` is asked after them.
    """

    name: str
    type: str
    priority: int
    digest: str
    orders: Sequence[Order]
    listings: Iterable[Listing]
    version: str = ""
    rejected: Callable[[], int] = field(default=lambda: 0)


def compile_ruleset(
    feeds: Sequence[FeedInput],
    path: Path,
    *,
    created: int,
    randomness: Callable[[int], bytes],
    made_from: str = "",
    judge: Callable[[FeedRecord], None] = unjudged,
    progress: Progress = unheard,
) -> Header:
    """Compile `feeds` into the file at `path`, which is replaced whole, and give the header it got.

    `created` is in seconds since the epoch; `randomness(n)` gives n unpredictable octets; `judge` sees each feed's
    record as soon as it is read, and may raise. Raises RulesetError where the format's limits are passed, and whatever
    the listings and the judge raise; then nothing has changed at `path`.
    """
    if sys.byteorder != "little" or array("I").itemsize != 4:
        raise RulesetError("ruleset files are compiled on little-endian machines with a 32-bit unsigned int only")
    ranked = sorted(
        ((order, feed) for feed in feeds for order in feed.orders), key=lambda pair: rank(pair[0], pair[1].priority)
    )
    if len(ranked) > MAX_ORDERS:
        raise RulesetError(f"there are more than {MAX_ORDERS} orders")
    claims = _ClaimSets()
    index_of = {(feed.name, order.id): index for index, (order, feed) in enumerate(ranked)}
    order_names = [0] * len(ranked)
    entries: dict[bytes, int] = {}
    records = []
    for feed in sorted(feeds, key=lambda feed: (feed.priority, feed.name)):
        names = 0
        own = frozenset(index_of[feed.name, order.id] for order in feed.orders)
        for listing in feed.listings:
            index = index_of[feed.name, listing.order.id]
            keys = _reported(listing.keys, feed.name, progress)
            new_to_order, new_to_feed = _add(entries, claims, index, listing.scope, own, keys)
            order_names[index] += new_to_order
            names += new_to_feed
        record = FeedRecord(feed.name, feed.type, feed.priority, names, feed.digest, feed.version, feed.rejected())
        judge(record)
        records.append(record)
    orders = tuple(OrderRecord(order, feed.name, order_names[i]) for i, (order, feed) in enumerate(ranked))
    catalogue = Catalogue(tuple(records), orders, made_from)
    with replacing(path) as file:
        return _write(file, catalogue, claims.words, entries, created, randomness, progress)


class _ClaimSets:
    """The sets of claims met so far, each kept once."""

    def __init__(self) -> None:
        self.words = array("I")
        self._sets: dict[int, tuple[int, ...]] = {}
        self._places: dict[tuple[int, ...], int] = {}
        self._joined: dict[tuple[int, int], int] = {}
        self._orders: dict[int, frozenset[int]] = {}

    def place_of(self, claims: tuple[int, ...]) -> int:
        """Give the place of a set, in words from the start of the section."""
        place = self._places.get(claims)
        if place is None:
            place = self._places[claims] = len(self.words)
            self._sets[place] = claims
            self.words.append(len(claims))
            self.words.extend(claims)
        return place

    def orders_of(self, place: int) -> frozenset[int]:
        """Give the orders in the set at `place`."""
        known = self._orders.get(place)
        if known is None:
            known = self._orders[place] = frozenset(word >> SCOPE_BITS for word in self._sets[place])
        return known

    def joined(self, place: int, claim: int) -> int:
        """Give the place of the set at `place` with one claim more."""
        known = self._joined.get((place, claim))
        if known is None:
            scopes = {word >> SCOPE_BITS: word for word in self._sets[place]}
            order = claim >> SCOPE_BITS
            scopes[order] = scopes.get(order, 0) | claim
            known = self.place_of(tuple(sorted(scopes.values())[:MAX_CLAIMS]))
            self._joined[place, claim] = known
        return known


def _add(
    entries: dict[bytes, int], claims: _ClaimSets, index: int, scope: Scope, own: frozenset[int], keys: Iterable[bytes]
) -> tuple[int, int]:
    """Add one order's claim to each key; give how many entries are new to it, and to its feed's `own` orders."""
    claim = index << SCOPE_BITS | scope
    alone = claims.place_of((claim,))
    before = len(entries)
    new_to_order = new_to_feed = 0
    for key in keys:
        place = entries.setdefault(key, alone)
        if place != alone:
            wider = claims.joined(place, claim)
            if wider != place:
                entries[key] = wider
                orders = claims.orders_of(place)
                new_to_order += index not in orders
                new_to_feed += own.isdisjoint(orders)
    added = len(entries) - before
    return added + new_to_order, added + new_to_feed


def _reported(keys: Iterable[bytes], stage: str, progress: Progress) -> Iterator[bytes]:
    done = 0
    keys = iter(keys)
    while batch := list(islice(keys, STEP)):
        yield from batch
        done += len(batch)
        progress(stage, done, 0)


def _write(
    file: BinaryIO,
    catalogue: Catalogue,
    words: array[int],
    entries: dict[bytes, int],
    created: int,
    randomness: Callable[[int], bytes],
    progress: Progress,
) -> Header:
    hash_key = randomness(16)
    records = bytearray()
    table = _table(entries, hash_key, records, progress)
    octets = catalogue.to_json()
    claim_octets = words.tobytes()
    sections = []
    offset = HEADER_SIZE
    for part in (octets, claim_octets, table, records):
        offset = aligned(offset)
        sections.append(Section(offset, len(part)))
        offset += len(part)
    networks = [key for key in entries if key[0] >= KEY_IPV4]
    header = Header(
        build_id=randomness(16),
        hash_key=hash_key,
        created=created,
        entries=len(entries),
        names=len(entries) - len(networks),
        buckets=len(table) // BUCKET_SIZE,
        max_labels=_max_labels(entries),
        ipv4_prefixes=_bitmap(key[1] for key in networks if key[0] == KEY_IPV4),
        ipv6_prefixes=_bitmap(key[1] for key in networks if key[0] != KEY_IPV4),
        catalogue=sections[0],
        claims=sections[1],
        table=sections[2],
        records=sections[3],
    )
    parts = (header.pack(), octets, claim_octets, table, records)
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
        digest.update(bytes(aligned(len(part)) - len(part)) if part is not records else b"")
    header = replace(header, digest=digest.digest())
    for part in (header.pack(), *parts[1:]):
        file.write(part)
        file.write(bytes(aligned(len(part)) - len(part)) if part is not records else b"")
    return header


def _table(entries: dict[bytes, int], hash_key: bytes, records: bytearray, progress: Progress) -> bytearray:
    """Write the entries to `records` and give the buckets that lead to them."""
    total = len(entries)
    hashes = array("Q")
    offsets = array("Q")
    pack = ENTRY.pack
    for done, (key, place) in enumerate(entries.items()):
        offsets.append(len(records))
        hashes.append(hash_of(hash_key, key))
        records += pack(place, len(key))
        records += key
        if done % STEP == 0:
            progress("writing", done, total)
    if len(records) > MAX_ENTRIES_SIZE:
        raise RulesetError(f"the names take {len(records)} octets, more than the format's {MAX_ENTRIES_SIZE}")
    buckets = max(1, -(-total // FILL))
    while (table := _placed(buckets, hashes, offsets)) is None:
        buckets += buckets // 4 + 1
    progress("writing", total, total)
    return table


def _placed(buckets: int, hashes: array[int], offsets: array[int]) -> bytearray | None:
    """Place every entry in one of `buckets`; None where one would be more than MAX_PROBES from its own."""
    table = bytearray(buckets * BUCKET_SIZE)
    shorts = memoryview(table).cast("H")
    words = memoryview(table).cast("I")
    used_at, pushed_at, tags_at, offsets_at = 60, 61, 32, 16
    for hashed, offset in zip(hashes, offsets, strict=True):
        bucket = ((hashed >> 32) * buckets) >> 32
        for _ in range(MAX_PROBES):
            place = bucket * BUCKET_SIZE + used_at
            used = table[place]
            if used < SLOTS:
                table[place] = used + 1
                shorts[bucket * tags_at + used] = hashed & 0xFFFF
                words[bucket * offsets_at + 5 + used] = offset
                break
            table[bucket * BUCKET_SIZE + pushed_at] = 1
            bucket = (bucket + 1) % buckets
        else:
            shorts.release()
            words.release()
            return None
    shorts.release()
    words.release()
    return table


def _max_labels(entries: Iterable[bytes]) -> int:
    """Count the labels of the name that has most of them; keys that cannot have more are not walked."""
    most = 0
    for key in entries:
        if len(key) > most * 2 and key[0] < KEY_IPV4:
            labels = position = 0
            while position < len(key):
                position += 1 + key[position]
                labels += 1
            most = max(most, labels)
    return most


def _bitmap(lengths: Iterable[int]) -> int:
    found = 0
    for length in lengths:
        found |= 1 << length
    return found
