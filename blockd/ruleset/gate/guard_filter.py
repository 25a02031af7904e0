"""Removes what the guard holds back from a ruleset while it is compiled.

The guard's few thousand names are looked up among those that were added, so the cost does not depend on the number of
names in the list. New records are walked, once, for rules with a wildcard, for names under protected ones, and for
networks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from blockd.orders import Action, Order
from blockd.ruleset.building.builder import EntryBuilder
from blockd.ruleset.building.claims import UNCLAIMED, ClaimSets
from blockd.ruleset.format import SCOPE_BITS
from blockd.ruleset.gate.guard import Guard
from blockd.ruleset.gate.guard_report import GuardReport

_SCOPE = (1 << SCOPE_BITS) - 1  # mask of a claim's scope


@dataclass(slots=True)
class FilteredFeed:
    """What was held back of one feed."""

    report: GuardReport
    names: int = 0  # entries that the feed no longer lists
    by_order: dict[int, int] = field(default_factory=dict)  # entries that each order no longer covers, by its index


class GuardFilter:
    """Holds back entries of `builder`, feed by feed after each was added; `orders` are those of the catalogue."""

    def __init__(self, builder: EntryBuilder, guard: Guard, claims: ClaimSets, orders: Sequence[Order]) -> None:
        self._builder, self._guard, self._claims, self._orders = builder, guard, claims, orders
        self._names = list(guard.marks)
        self._met: list[bytes] = []  # entries met so far that the guard may hold back, beside its own names

    def feed(self, own: frozenset[int], *, signed: bool) -> FilteredFeed:
        """Remove the claims that the guard holds back; `own` has the orders of the feed added last.

        Claims of signed orders are reported only.
        """
        held = FilteredFeed(GuardReport(enforced=signed))
        if not self._guard:
            return held
        self._walk()
        for key, place in self._builder.places([*self._names, *self._met] if self._met else self._names):
            claims = self._claims.set_at(place)
            mine = {claim: (claim & _SCOPE, self._orders[claim >> SCOPE_BITS].action) for claim in claims
                    if claim >> SCOPE_BITS in own}  # fmt: skip
            found = self._guard.finding(key, mine.values())
            if found is None:
                continue
            held.report.add(found.reason, key, found.scope, reported=found.reported)
            if signed or found.reported:
                continue
            taken = [claim for claim, (scope, action) in mine.items() if self._is_held(key, scope, action)]
            left = tuple(claim for claim in claims if claim not in taken)
            self._builder.put(key, self._claims.place_of(left) if left else UNCLAIMED)
            held.names += len(taken) == len(mine)
            for claim in taken:
                index = claim >> SCOPE_BITS
                held.by_order[index] = held.by_order.get(index, 0) + 1
        return held

    def _walk(self) -> None:
        """Find what is new and may be held back."""
        guard = self._guard
        if guard.wild or guard.under:
            marked = guard.marks
            self._met += [key for key in self._builder.below(guard.wild, guard.under) if key not in marked]
        if guard.networks:
            while networks := self._builder.networks():
                self._met += guard.networks.suspicious(networks)

    def _is_held(self, key: bytes, scope: int, action: Action) -> bool:
        reason = self._guard.reason(key, scope, action)
        return bool(reason) and not self._guard.only_reports(reason)
