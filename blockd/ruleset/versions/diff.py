"""The differences between two rulesets: names, orders, and popular names that are covered or no longer are.

Memory is bounded however many names changed: they are yielded in pieces, in the order of the files.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from blockd.errors import RulesetError
from blockd.names import DomainName
from blockd.native import is_native
from blockd.orders import Entry, OrderKey, Scope
from blockd.ruleset.building.compiler import Progress, no_progress
from blockd.ruleset.catalogue import Catalogue, OrderRecord
from blockd.ruleset.format import MAX_CLAIMS, MEANS_EMPTY, SCOPE_BITS
from blockd.ruleset.mapped import Ruleset

STEP = 1 << 16  # entries processed at a time: under 20 MB of names

Meaning = tuple[tuple[OrderKey, int], ...]
"""A set of claims that can be compared between files: order and scope of each."""


@dataclass(frozen=True, slots=True)
class OrderChanges:
    """Orders, by their keys, that were added, removed or changed between two catalogues."""

    came: tuple[OrderRecord, ...]
    went: tuple[OrderRecord, ...]
    changed: tuple[tuple[OrderRecord, OrderRecord], ...]  # in texts, dates or action: old and new


@dataclass(slots=True)
class Changes:
    """The numbers of entries that were added, removed, or are now under other orders or scopes."""

    added: int = 0
    removed: int = 0
    changed: int = 0


@dataclass(frozen=True, slots=True)
class Touched:
    """A popular name, with the entry that covers it."""

    rank: int  # from 1
    name: str
    entry: str


class Walking(Protocol):
    """A walk through one ruleset's entries, each looked up in another."""

    changed: int

    def step(self, entries: int) -> list[bytes] | None:
        """Process the next entries; return the keys that the other does not list, None after the last entry."""

    def covered(self, keys: list[bytes]) -> list[tuple[int, int]]:
        """Return (index in `keys`, octets of the longest entry's key) of names that only this one covers."""

    def close(self) -> None:
        """Release both."""


def order_changes(old: Catalogue, new: Catalogue) -> OrderChanges:
    """Return the differences between the orders of two catalogues; counts of names are not compared."""
    before = {record.key: record for record in old.orders}
    after = {record.key: record for record in new.orders}
    return OrderChanges(
        came=tuple(record for key, record in after.items() if key not in before),
        went=tuple(record for key, record in before.items() if key not in after),
        changed=tuple(
            (before[key], record)
            for key, record in after.items()
            if key in before and before[key].order != record.order
        ),
    )


@dataclass(slots=True)
class Comparison:
    """A comparison of two rulesets, which must stay open while it is used. `changes` is updated while names are read.

    Every method raises RulesetError if a file is damaged.
    """

    old: Ruleset
    new: Ruleset
    progress: Progress = no_progress
    changes: Changes = field(default_factory=Changes)

    def added(self) -> Iterator[bytes]:
        """Yield the keys that only the new one lists."""
        self.changes.added = 0
        for key in self._absent("added", self.new, self.old):
            self.changes.added += 1
            yield key

    def removed(self) -> Iterator[bytes]:
        """Yield the keys that only the old one lists; `changes.changed` is complete at the end."""
        self.changes.removed = 0
        for key in self._absent("removed", self.old, self.new):
            self.changes.removed += 1
            yield key

    def count(self) -> Changes:
        """Return the counts alone, which takes one walk through the old file."""
        for _ in self.removed():
            pass
        common = self.old.header.entries - self.changes.removed
        self.changes.added = self.new.header.entries - common
        return self.changes

    def newly_covered(self, popular: Sequence[bytes]) -> list[Touched]:
        """Return the names of a list, by rank, that the new one covers and the old one does not."""
        return _covered(self.new, self.old, popular)

    def no_longer_covered(self, popular: Sequence[bytes]) -> list[Touched]:
        """Return the names of a list, by rank, that the old one covers and the new one does not."""
        return _covered(self.old, self.new, popular)

    def _absent(self, stage: str, walked: Ruleset, other: Ruleset) -> Iterator[bytes]:
        done, total = 0, walked.header.entries
        walk = _walk(walked, other)
        try:
            while (keys := walk.step(STEP)) is not None:
                yield from keys
                done = min(done + STEP, total)
                self.progress(stage, done, total)
            if walked is self.old:
                self.changes.changed = walk.changed
        finally:
            walk.close()


def _covered(ruleset: Ruleset, other: Ruleset, popular: Sequence[bytes]) -> list[Touched]:
    walk = _walk(ruleset, other)
    try:
        found = walk.covered(list(popular))
    finally:
        walk.close()
    return [Touched(at + 1, DomainName(popular[at]).text, Entry(popular[at][:size]).text) for at, size in found]


def _walk(walked: Ruleset, other: Ruleset) -> Walking:
    known: dict[Meaning, int] = {}
    meanings = _meanings(walked, known)
    other_meanings = _meanings(other, known)
    if is_native("blockd.ruleset.versions._diff"):
        from blockd.ruleset.versions._diff import Walk as NativeWalk

        return NativeWalk(walked.octets, walked.header, other.octets, other.header, meanings, other_meanings)
    return Walk(walked, other)


class Walk:
    """The walk in Python, the twin of `_diff.pyx`."""

    def __init__(self, walked: Ruleset, other: Ruleset) -> None:
        self.changed = 0
        self._walked, self._other = walked, other
        self._entries = walked.entries()
        self._is_done = walked.header.records.size == 0

    def step(self, entries: int) -> list[bytes] | None:
        """Process the next entries; return the keys that the other does not list, None after the last entry."""
        if self._is_done:
            return None
        absent = []
        for _ in range(entries):
            found = next(self._entries, None)
            if found is None:
                self._is_done = True
                break
            key, claims = found
            others = self._other.claims(key)
            if not others:
                absent.append(key)
            elif _meaning(self._walked, claims) != _meaning(self._other, others):
                self.changed += 1
        return absent

    def covered(self, keys: list[bytes]) -> list[tuple[int, int]]:
        """Return (index in `keys`, octets of the longest entry's key) of names that only this one covers."""
        found = []
        for at, key in enumerate(keys):
            size = _covering(self._walked, key)
            if size and not _covering(self._other, key):
                found.append((at, size))
        return found

    def close(self) -> None:
        """Do nothing: nothing is held."""


def _covering(ruleset: Ruleset, key: bytes) -> int:
    """Return the key size of the longest entry that covers a name; 0 if none does."""
    for name in DomainName(key).ancestors():
        scope = Scope.EXACT if name.key == key else Scope.SUBDOMAINS
        if any(claim.scope & scope for claim in ruleset.claims(name.key)):
            return len(name.key)
    return 0


def _meaning(ruleset: Ruleset, claims: Sequence[tuple[int, int]]) -> Meaning:
    orders = ruleset.catalogue.orders
    return tuple(sorted((orders[index].key, scope) for index, scope in claims if scope))


def _meanings(ruleset: Ruleset, known: dict[Meaning, int]) -> array[int]:
    """Return, for each word of the claim section, the number of the set's meaning that begins there; 0 if none does.

    MEANS_EMPTY is that of sets whose claims have no scope.
    """
    with ruleset.section(ruleset.header.claims) as section:
        words = array("I", section.tobytes())
    meanings = array("I", bytes(4 * len(words)))
    orders = len(ruleset.catalogue.orders)
    place = 0
    while place < len(words):
        end = place + 1 + words[place]
        claims = [(word >> SCOPE_BITS, word & Scope.BOTH) for word in words[place + 1 : end]]
        if not 0 < words[place] <= MAX_CLAIMS or end > len(words) or any(index >= orders for index, _ in claims):
            raise RulesetError(f"{ruleset.path}: its sets of claims cannot be read: it was damaged")
        meaning = _meaning(ruleset, claims)
        meanings[place] = known.setdefault(meaning, len(known) + MEANS_EMPTY + 1) if meaning else MEANS_EMPTY
        place = end
    return meanings
