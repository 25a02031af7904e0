"""How many orders each feed and each of its authorities has in the version in force."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from blockd.orders import State
from blockd.ruleset import Enforced

Part = tuple[str, str]  # a feed's name and a role; the role is empty if the repository itself has signed


@dataclass(frozen=True, slots=True)
class OrderCounts:
    """Orders by feed and role, and those of them that are both in force and stale."""

    orders: Counter[Part] = field(default_factory=Counter)
    stale: Counter[Part] = field(default_factory=Counter)

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
                counts.stale[part] += state == State.IN_FORCE and bool(is_stale)
        return counts

    def stale_of(self, feed: str) -> int:
        """Return how many stale orders a feed has, whoever has signed them."""
        return sum(count for (name, _), count in self.stale.items() if name == feed)
