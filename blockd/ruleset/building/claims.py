"""The sets of claims that a ruleset's entries point to, each kept once, as they grow while lists are read."""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from typing import NamedTuple

from blockd.errors import RulesetError
from blockd.ruleset.format import HOLE, MAX_CLAIMS, MAX_CLAIMS_OF_ONE, SCOPE_BITS

UNCLAIMED = HOLE  # the place of an entry that has lost all its claims
_UNUSED = 1  # a claim of order 0: fills sets that are no longer used, so that they stay readable


class Joined(NamedTuple):
    """The result of adding one order's claim to an entry."""

    place: int  # of the set that includes the claim
    new_to_order: int  # 1 if the order did not list the entry yet
    new_to_feed: int  # 1 if no order of its feed did
    refused: int = 0  # 1 if there was no room for it


class ClaimSets:
    """The sets of claims met so far; `words` is the section of the file."""

    def __init__(self) -> None:
        self.words = array("I")
        self._sets: dict[int, tuple[int, ...]] = {}
        self._places: dict[tuple[int, ...], int] = {}
        self._orders: dict[int, frozenset[int]] = {}

    @classmethod
    def read(cls, words: array[int]) -> ClaimSets:
        """Return the sets of a file; raises RulesetError if they cannot be read."""
        claims = cls()
        place = 0
        while place < len(words):
            end = place + 1 + words[place]
            if not 0 < words[place] <= MAX_CLAIMS or end > len(words):
                raise RulesetError("its sets of claims cannot be read")
            claims._sets[place] = tuple(words[place + 1 : end])
            claims._places[claims._sets[place]] = place
            place = end
        claims.words = words
        return claims

    def renumber(self, index_of: Mapping[int, int]) -> None:
        """Renumber the orders; the sets keep their places. No set in use may have an order without a new index."""
        for place, claims in self._sets.items():
            if all(claim >> SCOPE_BITS in index_of for claim in claims):
                mask = (1 << SCOPE_BITS) - 1
                moved = sorted(index_of[claim >> SCOPE_BITS] << SCOPE_BITS | claim & mask for claim in claims)
            else:
                moved = [_UNUSED] * len(claims)
            self.words[place + 1 : place + 1 + len(claims)] = array("I", moved)
        known = ClaimSets.read(self.words)
        self._sets, self._places, self._orders = known._sets, known._places, {}

    def set_at(self, place: int) -> tuple[int, ...]:
        """Return the claims in the set at `place`; raises RulesetError if none begins there."""
        try:
            return self._sets[place]
        except KeyError as error:
            raise RulesetError("an entry has no set of claims") from error

    def place_of(self, claims: tuple[int, ...]) -> int:
        """Return the place of a set, in words from the start of the section; add the set if it is new."""
        place = self._places.get(claims)
        if place is None:
            place = self._places[claims] = len(self.words)
            self._sets[place] = claims
            self.words.append(len(claims))
            self.words.extend(claims)
        return place

    @property
    def empty(self) -> frozenset[int]:
        """The places of sets whose claims have no scope."""
        mask = (1 << SCOPE_BITS) - 1
        return frozenset(place for place, claims in self._sets.items() if not any(claim & mask for claim in claims))

    def orders_of(self, place: int) -> frozenset[int]:
        """Return the orders that have a scope in the set at `place`."""
        known = self._orders.get(place)
        if known is None:
            mask = (1 << SCOPE_BITS) - 1
            known = self._orders[place] = frozenset(word >> SCOPE_BITS for word in self.set_at(place) if word & mask)
        return known

    def joined(self, place: int, claim: int) -> int:
        """Return the place of the set that has the claims of the one at `place` and `claim`."""
        scopes = {word >> SCOPE_BITS: word for word in self.set_at(place)}
        order = claim >> SCOPE_BITS
        scopes[order] = scopes.get(order, 0) | claim
        return self.place_of(tuple(sorted(scopes.values())))


class Joins(dict[int, Joined]):
    """For one order and scope, a cache from the place of an entry's set to the result of adding that claim.

    `alone` is the place of the set for an entry without claims, `own` has all orders of the order's feed, and `rivals`
    those that it shares the room on one entry with: all of its feed, or of its authority.
    """

    def __init__(
        self, claims: ClaimSets, index: int, scope: int, own: frozenset[int], rivals: frozenset[int] | None = None
    ) -> None:
        super().__init__()
        self._claims, self._index, self._own = claims, index, own
        self._rivals = own if rivals is None else rivals
        self._claim = index << SCOPE_BITS | scope
        self.alone = claims.place_of((self._claim,))

    def __missing__(self, place: int) -> Joined:
        if place == UNCLAIMED:
            return Joined(self.alone, 1, 1)
        orders = self._claims.orders_of(place)
        is_full = len(orders) >= MAX_CLAIMS_OF_ONE and len(orders & self._rivals) >= MAX_CLAIMS_OF_ONE
        if is_full and self._index not in orders:
            found = self[place] = Joined(place, 0, 0, 1)
            return found
        wider = self._claims.joined(place, self._claim)
        changed = wider != place  # else the set has the claim
        found = Joined(wider, changed and self._index not in orders, changed and self._own.isdisjoint(orders))
        self[place] = found
        return found
