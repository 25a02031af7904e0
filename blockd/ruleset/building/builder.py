"""The names and networks of a ruleset while it is compiled, and the buckets and records made of them at the end.

This is plain Python, for installations without a C compiler. `_builder.pyx` has the same class with the same result,
octet for octet, and takes whole blocks of a text list as well.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import Protocol

from blockd.errors import RulesetError
from blockd.names import MAX_LABEL, is_hashed_key, label_ends
from blockd.names.network import KEY_IPV4
from blockd.names.suffixes import ancestors, parent
from blockd.native import is_native
from blockd.ruleset.building.claims import UNCLAIMED, Joins
from blockd.ruleset.format import BUCKET_SIZE, ENTRY, FILL, MAX_PROBES, SLOTS, hash_of

STEP = 20_000  # names between two calls of the progress callback

WriteProgress = Callable[[int, int], None]
"""Called with the number of entries written, and of all entries."""


class EntryBuilder(Protocol):
    """The interface of both builders; the numbers are valid once `finish` was called."""

    @property
    def entries(self) -> int: ...  # noqa: D102 - names and networks

    @property
    def names(self) -> int: ...  # noqa: D102 - those known by their hashes are some of them

    @property
    def max_labels(self) -> int: ...  # noqa: D102 - of the name that has most of them; a hash hides its name's

    @property
    def ipv4_prefixes(self) -> int: ...  # noqa: D102 - bit n is set where a network of n bits is listed

    @property
    def ipv6_prefixes(self) -> int: ...  # noqa: D102

    def start(self, joins: Joins) -> None:
        """Begin a listing; `joins` says what becomes of an entry that it claims."""

    def add_keys(self, keys: Iterable[bytes]) -> None:
        """Add entries to the listing, or its claim to those that are there."""

    def new(self) -> tuple[int, int]:
        """Return how many entries the listing has added to its order, and to its feed."""

    @property
    def refused(self) -> int: ...  # noqa: D102 - entries on which the listing had no room

    def places(self, keys: Sequence[bytes]) -> list[tuple[bytes, int]]:
        """Return the claimed ones of `keys`, in their order, each with the place of its set of claims."""

    def put(self, key: bytes, place: int) -> None:
        """Replace a claimed entry's set of claims; with UNCLAIMED it is removed, unless it is added again.

        Raises ValueError if it is not a claimed name or network.
        """

    def count(self, places: frozenset[int]) -> int:
        """Return how many names have one of these sets of claims."""

    def below(self, parents: frozenset[bytes], tops: frozenset[bytes] = frozenset()) -> list[bytes]:
        """Return the names added since the last call that are children of one of `parents`, or under one of `tops`.

        An empty parent is the root.
        """

    def networks(self) -> list[bytes]:
        """Return at most STEP of the networks added since the last call, none if there are no more."""

    def finish(self, told: WriteProgress) -> tuple[bytearray, bytearray]:
        """Return the buckets and the records; nothing can be added afterwards."""


class Builder:
    """Entries in a dictionary, in the order in which they came.

    `finish` raises RulesetError if the records would take more than `max_size` octets.
    """

    def __init__(self, hash_key: bytes, max_size: int) -> None:
        self._hash_key, self._max_size = hash_key, max_size
        self._places: dict[bytes, int] = {}
        self._joins: Joins | None = None
        self._before = self._new_to_order = self._new_to_feed = self.refused = 0
        self._walked = self._networks_walked = 0  # entries that `below` and `networks` have seen
        self.entries = self.names = self.max_labels = self.ipv4_prefixes = self.ipv6_prefixes = 0

    def start(self, joins: Joins) -> None:
        """Begin a listing."""
        self._joins = joins
        self._before = len(self._places)
        self._new_to_order = self._new_to_feed = self.refused = 0

    def add_keys(self, keys: Iterable[bytes]) -> None:
        """Add entries to the listing, or its claim to those that are there."""
        places, joins = self._places, self._joins
        assert joins is not None  # noqa: S101 - `start` comes first
        alone = joins.alone
        for key in keys:
            place = places.setdefault(key, alone)
            if place != alone:
                wider, new_to_order, new_to_feed, refused = joins[place]
                self.refused += refused
                places[key] = wider
                self._new_to_order += new_to_order
                self._new_to_feed += new_to_feed

    def new(self) -> tuple[int, int]:
        """Return how many entries the listing has added to its order, and to its feed."""
        added = len(self._places) - self._before
        return added + self._new_to_order, added + self._new_to_feed

    def places(self, keys: Sequence[bytes]) -> list[tuple[bytes, int]]:
        """Return the claimed ones of `keys`, each with the place of its set of claims."""
        found = [(key, self._places.get(key, UNCLAIMED)) for key in keys]
        return [(key, place) for key, place in found if place != UNCLAIMED]

    def put(self, key: bytes, place: int) -> None:
        """Replace an entry's set of claims."""
        if self._places.get(key, UNCLAIMED) == UNCLAIMED or is_hashed_key(key):
            raise ValueError("only the claims of a claimed name or network can be changed")
        self._places[key] = place

    def count(self, places: frozenset[int]) -> int:
        """Return how many names have one of these sets of claims."""
        return sum(place in places for place in self._places.values()) if places else 0

    def below(self, parents: frozenset[bytes], tops: frozenset[bytes] = frozenset()) -> list[bytes]:
        """Return the new children of `parents`, and what is new under `tops`."""
        firsts = {above[: 1 + above[0]] for above in parents | tops if above}
        fresh = islice(self._places, self._walked, None)
        self._walked = len(self._places)
        return [
            key
            for key in fresh
            if (key[: 1 + key[0]] in firsts or len(key) == 1 + key[0])
            and key[0] <= MAX_LABEL
            and (parent(key) in parents or not tops.isdisjoint(ancestors(key)))
        ]

    def networks(self) -> list[bytes]:
        """Return the next new networks."""
        found: list[bytes] = []
        for key in islice(self._places, self._networks_walked, None):
            self._networks_walked += 1
            if key[0] >= KEY_IPV4:
                found.append(key)
                if len(found) == STEP:
                    break
        return found

    def finish(self, told: WriteProgress) -> tuple[bytearray, bytearray]:
        """Return the buckets and the records."""
        places = self._places
        if UNCLAIMED in places.values():
            places = self._places = {key: place for key, place in places.items() if place != UNCLAIMED}
        networks = [key for key in places if key[0] >= KEY_IPV4]
        self.entries = len(places)
        self.names = len(places) - len(networks)
        self.max_labels = _max_labels(places)
        self.ipv4_prefixes = _bitmap(key[1] for key in networks if key[0] == KEY_IPV4)
        self.ipv6_prefixes = _bitmap(key[1] for key in networks if key[0] != KEY_IPV4)
        records = bytearray()
        hashes, offsets = array("Q"), array("Q")
        pack = ENTRY.pack
        for done, (key, place) in enumerate(places.items()):
            offsets.append(len(records))
            hashes.append(hash_of(self._hash_key, key))
            records += pack(place, len(key))
            records += key
            if done % STEP == 0:
                told(done, len(places))
        if len(records) > self._max_size:
            raise RulesetError(f"the names take more than the format's {self._max_size} octets")
        buckets = max(1, -(-len(places) // FILL))
        while (table := _placed(buckets, hashes, offsets)) is None:
            buckets += buckets // 4 + 1
        told(len(places), len(places))
        return table, records


def _placed(buckets: int, hashes: array[int], offsets: array[int]) -> bytearray | None:
    """Place every entry in one of `buckets`; None if one would be more than MAX_PROBES from its own."""
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
    """Return the most labels that any name has; keys that are too short to have more are not parsed."""
    most = 0
    for key in entries:
        if len(key) > most * 2 and key[0] <= MAX_LABEL:
            most = max(most, len(label_ends(key)))
    return most


def _bitmap(lengths: Iterable[int]) -> int:
    found = 0
    for length in lengths:
        found |= 1 << length
    return found


def new_builder(hash_key: bytes, max_size: int) -> EntryBuilder:
    """Return an empty builder, in C if it was built; raises as `is_native` does."""
    if is_native():
        from blockd.ruleset.building import _builder

        return _builder.Builder(hash_key, max_size)
    return Builder(hash_key, max_size)
