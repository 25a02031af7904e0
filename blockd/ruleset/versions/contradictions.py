"""The contradictions between authorities in one ruleset: where one would open what another blocks.

A contradiction is a pair of orders: the weaker one is overruled by the other, or lifts it as it may. What the operator
allows above all is none. Orders that are yet to come into force count as well, so that a contradiction is known before
it decides. Networks, and names that are known by their hashes only, are compared with the same ones alone.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from blockd.names import MAX_LABEL, label_ends
from blockd.native import is_native
from blockd.orders import Action, Entry, Scope, State, end_of
from blockd.orders.disclosure import public_text
from blockd.ruleset.catalogue import Catalogue, OrderRecord
from blockd.ruleset.format import SCOPE_BITS
from blockd.ruleset.mapped import Ruleset
from blockd.ruleset.parties import OPERATOR, authority_text, parties_of
from blockd.ruleset.policy import Enforced, at_time
from blockd.ruleset.precedence import FULL, NONE, STRENGTHS, settle
from blockd.ruleset.weighing import Weighed
from blockd.settings.feeds import SIGNED_TYPES

STEP = 1 << 16  # entries read at a time
MAX_EXAMINED = 2_000  # entries of which is found out who contradicts whom
MAX_LISTED = 200  # contradictions that are listed
MAX_READ_IN_PYTHON = 200_000  # entries; more take minutes without the native engine
_BITS = 64  # parties that are told apart while entries are read


@dataclass(frozen=True, slots=True)
class Contradiction:
    """Two orders, the weaker of which is overruled by the other or lifts it, on so many names, one as an example."""

    order: str
    action: str
    by: str  # the authority, or the operator's feed
    other: str
    other_action: str
    other_by: str
    lifts: bool
    names: int
    example: str

    @property
    def sentence(self) -> str:
        """Say so in words."""
        done = "lifts" if self.lifts else "is overruled by"
        return (
            f"order {self.order} of {self.by} ({self.action}) {done} order {self.other} of {self.other_by} "
            f"({self.other_action}), for {self.example}"
        )

    @property
    def key(self) -> tuple[str, str, str, str, bool]:
        """What tells it from others: the orders, and how they stand to each other."""
        return self.order, self.by, self.other, self.other_by, self.lifts

    def to_json(self) -> dict[str, object]:
        """Return it as JSON values."""
        return {name: getattr(self, name) for name in self.__slots__} | {"sentence": self.sentence}


@dataclass(frozen=True, slots=True)
class Contradictions:
    """All contradictions found; `is_whole` is False if there are more entries than are examined."""

    count: int = 0
    listed: tuple[Contradiction, ...] = ()
    is_whole: bool = True

    def to_json(self) -> dict[str, object]:
        """Return them as JSON values."""
        return {"count": self.count, "is_whole": self.is_whole, "listed": [one.to_json() for one in self.listed]}


class Reading(Protocol):
    """A walk through a ruleset's entries."""

    def step(self, entries: int) -> list[bytes] | None:
        """Read the next entries; return those on which parties may contradict each other, None after the last."""


def contradictions(ruleset: Ruleset) -> Contradictions:
    """Return the contradictions in a ruleset, which stays open; raises RulesetError if the file is damaged."""
    weak, blocking = _parties_of_orders(ruleset)
    if not any(weak) or len({bit for bits in (weak, blocking) for bit in bits if bit}) < 2:
        return Contradictions()
    if ruleset.header.entries > MAX_READ_IN_PYTHON and not is_native("blockd.ruleset.versions._diff"):
        return Contradictions(is_whole=False)
    over = {index for index, record in enumerate(ruleset.catalogue.orders) if not _may_act(record, ruleset)}
    states = {index: State.EXPIRED if index in over else State.IN_FORCE for index in range(len(weak))}
    enforced = at_time(0, ruleset, ruleset.header.created, known=states)
    found: dict[tuple[int, int, bool], tuple[int, str]] = {}
    examined = 0
    for key in _contradicted(ruleset, weak, blocking):
        examined += 1
        if examined > MAX_EXAMINED:
            break
        for pair in _pairs(enforced, key):
            names, example = found.get(pair, (0, public_text(Entry(key, Scope.BOTH))))
            found[pair] = names + 1, example
    listed = [_contradiction(ruleset.catalogue, *pair, *of) for pair, of in sorted(found.items())[:MAX_LISTED]]
    return Contradictions(len(found), tuple(listed), examined <= MAX_EXAMINED)


def _may_act(record: OrderRecord, ruleset: Ruleset) -> bool:
    return end_of(record.order) > ruleset.header.created


def _parties_of_orders(ruleset: Ruleset) -> tuple[list[int], list[int]]:
    """Return for each order the bit of its party, if it is weaker than a full block, and if it blocks; else 0."""
    parties = parties_of(ruleset.catalogue)
    weak, blocking = [], []
    for party, record in zip(parties.of, ruleset.catalogue.orders, strict=True):
        action, bit = record.order.action, 1 << party % _BITS
        acts = _may_act(record, ruleset) and action is not Action.MONITOR
        is_above = party == OPERATOR and action is Action.ALLOW
        weak.append(bit if acts and STRENGTHS[action] < FULL and not is_above else 0)
        blocking.append(bit if acts and STRENGTHS[action] > NONE else 0)
    return weak, blocking


def _contradicted(ruleset: Ruleset, weak: Sequence[int], blocking: Sequence[int]) -> Iterator[bytes]:
    """Yield the entries on which, with those above them, one party is weak and another blocks."""
    with ruleset.section(ruleset.header.claims) as section:
        words = array("I", section.tobytes())
    weak_at, blocking_at = array("Q", bytes(8 * len(words))), array("Q", bytes(8 * len(words)))
    place = 0
    while place < len(words):
        end = place + 1 + words[place]
        for word in words[place + 1 : end]:
            index = word >> SCOPE_BITS
            if index < len(weak):
                weak_at[place] |= weak[index]
                blocking_at[place] |= blocking[index]
        place = end
    reading: Reading
    if is_native("blockd.ruleset.versions._diff"):
        from blockd.ruleset.versions._diff import Contradicting

        reading = Contradicting(ruleset.octets, ruleset.header, weak_at, blocking_at)
    else:
        reading = _Contradicting(ruleset, weak, blocking)
    while (keys := reading.step(STEP)) is not None:
        yield from keys


class _Contradicting:
    """The walk in Python, the twin of that in `_diff.pyx`."""

    def __init__(self, ruleset: Ruleset, weak: Sequence[int], blocking: Sequence[int]) -> None:
        self._ruleset, self._weak, self._blocking = ruleset, weak, blocking
        self._entries = ruleset.entries()
        self._is_done = False

    def step(self, entries: int) -> list[bytes] | None:
        """Read the next entries; return those on which parties may contradict each other."""
        if self._is_done:
            return None
        found = []
        for _ in range(entries):
            if (entry := next(self._entries, None)) is None:
                self._is_done = True
                break
            key = entry[0]
            weak, blocking = self._of(key)
            if not weak | blocking:
                continue
            for end in label_ends(key)[:-1] if key[0] <= MAX_LABEL else ():
                one, other = self._of(key[:end])
                weak, blocking = weak | one, blocking | other
            if may_contradict(weak, blocking):
                found.append(key)
        return found

    def _of(self, key: bytes) -> tuple[int, int]:
        weak = blocking = 0
        for claim in self._ruleset.claims(key):
            weak |= self._weak[claim.order_index]
            blocking |= self._blocking[claim.order_index]
        return weak, blocking


def may_contradict(weak: int, blocking: int) -> bool:
    """Return whether one party is weak and another blocks."""
    return bool(weak and blocking and (weak != blocking or weak & (weak - 1)))


def _pairs(enforced: Enforced, key: bytes) -> set[tuple[int, int, bool]]:
    """Return the orders that contradict each other on an entry: the weaker, the other, and whether it lifts that."""
    if key[0] <= MAX_LABEL:
        found = [enforced.weighed_name(name) for name in (key, key + b"\1x") if len(name) < 255]
    else:
        claims = [(key, claim) for claim in enforced.ruleset.claims(key)]
        found = [enforced.weighed([(Scope.BOTH, claims)])]
    return {pair for weighed in found for pair in _contradicting(enforced, weighed)}


def _contradicting(enforced: Enforced, weighed: Weighed) -> Iterator[tuple[int, int, bool]]:
    decisions = enforced.decisions(weighed) if weighed.allowed is None else []
    lifted = settle(decisions).lifted
    for one in decisions:
        if one.action is Action.MONITOR or one.party in lifted:
            continue
        for other in decisions:
            if other.strength > one.strength:
                by = lifted.get(other.party)
                if by is None or by.party == one.party:
                    yield one.rank, other.rank, by is not None


def _contradiction(
    catalogue: Catalogue, weaker: int, other: int, lifts: bool, names: int, example: str
) -> Contradiction:
    one, two = catalogue.orders[weaker], catalogue.orders[other]
    return Contradiction(
        one.order.id, str(one.order.action), _by(catalogue, one), two.order.id, str(two.order.action),
        _by(catalogue, two), lifts, names, example,
    )  # fmt: skip


def _by(catalogue: Catalogue, record: OrderRecord) -> str:
    feed = catalogue.feed(record.feed)
    is_signed = feed is not None and feed.type in SIGNED_TYPES
    return authority_text(record.feed, record.order.role) if is_signed else f"feed {record.feed}"
