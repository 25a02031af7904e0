"""How many orders each feed and each of its authorities has in the version in force."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from blockd.orders import State
from blockd.ruleset import Enforced

Part = tuple[str, str]  # a feed's name and a role; the role is empty if the repository itself has signed


@dataclass(frozen=True, slots=True)
class OrderCounts:
    """Orders by feed and role, those of them that are both in force and stale, and those refused on some names."""

    orders: Counter[Part] = field(default_factory=Counter)
    stale: Counter[Part] = field(default_factory=Counter)
    without_room: Counter[Part] = field(default_factory=Counter)

    @classmethod
    def of(cls, enforced: Enforced | None) -> OrderCounts:
        """Count the orders; none if nothing is enforced."""
        counts = cls()
        if enforced is not None:
            states = enforced.states
            catalogue = enforced.ruleset.catalogue
            for record, state, is_stale in zip(catalogue.orders, states.states, states.stale, strict=True):
                part = (record.feed, record.order.role)
                counts.orders[part] += 1
                counts.without_room[part] += bool(record.refused)
                counts.stale[part] += state == State.IN_FORCE and bool(is_stale)
        return counts

    def stale_of(self, feed: str) -> int:
        """Return how many stale orders a feed has, whoever has signed them."""
        return sum(count for (name, _), count in self.stale.items() if name == feed)


def orders_without_room(enforced: Enforced | None) -> int:
    """Return how many orders enforced are refused on some of their names."""
    return sum(bool(record.refused) for record in enforced.ruleset.catalogue.orders) if enforced else 0
