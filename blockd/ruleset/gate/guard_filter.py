"""Removes what the guard holds back from a ruleset while it is compiled.

The guard's few thousand names are looked up among those that were added, so the cost does not depend on the number of
names in the list. New records are walked, once, for rules with a wildcard, and once for networks if some are guarded.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from blockd.orders import Order
from blockd.ruleset.building.builder import EntryBuilder
from blockd.ruleset.building.claims import UNCLAIMED, ClaimSets
from blockd.ruleset.format import SCOPE_BITS
from blockd.ruleset.gate.guard import Guard
from blockd.ruleset.gate.guard_report import GuardReport


@dataclass(slots=True)
class FilteredFeed:
    """What was held back of one feed."""

    report: GuardReport
    names: int = 0  # entries that the feed no longer lists
    by_order: dict[int, int] = field(default_factory=dict)  # entries that each order no longer covers, by its index


class GuardFilter:
    """Holds back entries of `builder`, feed by feed after each was added; `orders` are those of the catalogue.

    `guards` are those that `feed` will be called with.
    """

    def __init__(
        self, builder: EntryBuilder, guards: Iterable[Guard], claims: ClaimSets, orders: Sequence[Order]
    ) -> None:
        self._builder, self._claims, self._orders = builder, claims, orders
        guards = list(guards)
        self._has_shared = any(guard.shared_networks for guard in guards)
        self._networks: list[bytes] = []  # met so far, if a guard has shared networks
        self._wild = frozenset[bytes]().union(*(guard.wild for guard in guards))
        self._below: list[bytes] = []  # entries met so far that are children of a guard's wild names

    def feed(self, guard: Guard, own: frozenset[int], *, signed: bool) -> FilteredFeed:
        """Remove the claims that `guard` holds back; `own` has the orders of the feed added last.

        Claims of signed orders are reported only.
        """
        held = FilteredFeed(GuardReport(enforced=signed))
        if self._has_shared:
            self._networks += self._builder.networks()
        if self._wild:
            self._below += self._builder.below(self._wild)
        if not guard:
            return held
        networks = guard.shared_networks
        shared = [key for key in self._networks if networks.reason(key)] if networks else []
        names = list(guard.marks)
        kept = frozenset(key for key in self._below if key not in guard.marks) if guard.wild else frozenset()
        more = (*kept, *shared)
        for key, place in self._builder.places([*names, *more] if more else names):
            claims = self._claims.set_at(place)
            reasons = {claim: self._reason(guard, key, claim) for claim in claims if claim >> SCOPE_BITS in own}
            taken = [claim for claim, reason in reasons.items() if reason]
            if not taken:
                continue
            held.report.add(reasons[taken[0]], key)
            if signed:
                continue
            left = tuple(claim for claim in claims if claim not in taken)
            self._builder.put(key, self._claims.place_of(left) if left else UNCLAIMED)
            held.names += len(taken) == len(reasons)
            for claim in taken:
                index = claim >> SCOPE_BITS
                held.by_order[index] = held.by_order.get(index, 0) + 1
        return held

    def _reason(self, guard: Guard, key: bytes, claim: int) -> str:
        return guard.reason(key, claim & (1 << SCOPE_BITS) - 1, self._orders[claim >> SCOPE_BITS].action)
