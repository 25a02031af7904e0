"""How many orders the version in force has: of each feed, of each of its authorities, in each state."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from blockd.daemon.hit_slots import SHARED
from blockd.orders import State
from blockd.ruleset import Enforced

Part = tuple[str, str]  # a feed's name and a role; the role is empty if the repository itself has signed


@dataclass(frozen=True, slots=True)
class OrderCounts:
    """Orders by feed and role, those of them that are both in force and stale, and those refused on some names.

    `stale_of` has the stale ones by feed, whoever has signed them; `without_slot` have no hit counter of their own.
    """

    orders: Counter[Part] = field(default_factory=Counter)
    stale: Counter[Part] = field(default_factory=Counter)
    without_room: Counter[Part] = field(default_factory=Counter)
    stale_of: Counter[str] = field(default_factory=Counter)
    by_state: Counter[State] = field(default_factory=Counter)
    without_slot: int = 0

    @classmethod
    def of(cls, enforced: Enforced | None) -> OrderCounts:
        """Count the orders, which takes a millisecond for a thousand; none if nothing is enforced."""
        if enforced is None:
            return cls()
        states, records = enforced.states, enforced.ruleset.catalogue.orders
        parts = [(record.feed, record.order.role) for record in records]
        stale = Counter(
            part
            for part, state, is_stale in zip(parts, states.states, states.stale, strict=True)
            if is_stale and state == State.IN_FORCE
        )
        stale_of: Counter[str] = Counter()
        for (feed, _), count in stale.items():
            stale_of[feed] += count
        return cls(
            orders=Counter(parts),
            stale=stale,
            without_room=Counter(part for part, record in zip(parts, records, strict=True) if record.refused),
            stale_of=stale_of,
            by_state=Counter(map(State, bytes(states.states))),
            without_slot=states.hit_slots.count(SHARED),
        )
