"""Removes what the guard holds back from a ruleset while it is compiled.

The guard's few thousand names are looked up among those that were added, so the cost does not depend on the number of
names in the list. New records are walked, once, for rules with a wildcard, for names under protected ones, and for
networks.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
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
    """Holds back entries of `builder`, feed by feed after each was added; `orders` are those of the catalogue.

    `guards` are those that `feed` will be called with.
    """

    def __init__(
        self, builder: EntryBuilder, guards: Iterable[Guard], claims: ClaimSets, orders: Sequence[Order]
    ) -> None:
        self._builder, self._claims, self._orders = builder, claims, orders
        self._guards = list({guard.digest: guard for guard in guards}.values())
        self._wild = frozenset[bytes]().union(*(guard.wild for guard in self._guards))
        self._under = frozenset[bytes]().union(*(guard.under for guard in self._guards))
        self._met: list[bytes] = []  # entries met so far that a guard may hold back, beside its own names

    def feed(self, guard: Guard, own: frozenset[int], *, signed: bool) -> FilteredFeed:
        """Remove the claims that `guard` holds back; `own` has the orders of the feed added last.

        Claims of signed orders are reported only.
        """
        held = FilteredFeed(GuardReport(enforced=signed))
        self._walk()
        if not guard:
            return held
        names = list(guard.marks)
        met = [key for key in self._met if key not in guard.marks]
        for key, place in self._builder.places([*names, *met] if met else names):
            claims = self._claims.set_at(place)
            mine = {claim: (claim & _SCOPE, self._orders[claim >> SCOPE_BITS].action) for claim in claims
                    if claim >> SCOPE_BITS in own and claim & _SCOPE}  # fmt: skip
            found = guard.finding(key, mine.values())
            if found is None:
                continue
            held.report.add(found.reason, key, found.scope, reported=found.reported)
            if signed or found.reported:
                continue
            taken = [claim for claim, (scope, action) in mine.items() if _is_held(guard, key, scope, action)]
            left = tuple(claim for claim in claims if claim not in taken)
            self._builder.put(key, self._claims.place_of(left) if left else UNCLAIMED)
            held.names += len(taken) == len(mine)
            for claim in taken:
                index = claim >> SCOPE_BITS
                held.by_order[index] = held.by_order.get(index, 0) + 1
        return held

    def _walk(self) -> None:
        """Find what is new and may be held back."""
        if self._wild or self._under:
            self._met += self._builder.below(self._wild, self._under)
        guards = [guard for guard in self._guards if guard.guards_networks]
        while guards and (networks := self._builder.networks()):
            self._met += [key for key in networks if any(guard.network_reason(key) for guard in guards)]


def _is_held(guard: Guard, key: bytes, scope: int, action: Action) -> bool:
    reason = guard.reason(key, scope, action)
    return bool(reason) and not guard.only_reports(reason)
