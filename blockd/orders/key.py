"""How orders are told apart and called: an order's id is its authority's own.

The key of an order is its feed, the role of the authority that signed it, and its id: two authorities may give their
orders the same id. It is shown as `court/2026-17`, role and id; `FEED/ROLE/ID` if orders of two feeds have that role.
Of an order that a repository signs itself, with its top-level targets, the id alone is shown, unless another order has
the same; then `targets/ID`, with the feed in front if need be. No feed, role or id has a slash (`blockd.settings`,
`blockd.orders.repository`), so that the number of parts says what they are.

Whoever asks for an order may name it by any of these forms, or by its id alone, which may fit several.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from blockd.orders.repository import OWN_ROLE


class OrderKey(NamedTuple):
    """What tells an order from every other; `role` is empty if no delegated role signed it."""

    feed: str
    role: str
    id: str


@dataclass(frozen=True, slots=True)
class AskedOrder:
    """What somebody asks for: an id, perhaps with a role, perhaps with a feed; None if it is not named."""

    id: str
    role: str | None = None
    feed: str | None = None

    def fits(self, key: OrderKey) -> bool:
        """Return whether an order is meant, or may be."""
        return self.id == key.id and self.role in (None, key.role) and self.feed in (None, key.feed)


def spelled(role: str, identifier: str) -> str:
    """Return how an order is called if nothing is known of others: `ROLE/ID`, or the id alone."""
    return f"{role}/{identifier}" if role else identifier


def parse_asked(text: str) -> AskedOrder | None:
    """Parse `ID`, `ROLE/ID` or `FEED/ROLE/ID`; None if it is none of them."""
    *before, identifier = text.strip().split("/")
    if len(before) > 2 or not identifier or not all(before):
        return None
    role = before.pop() if before else None
    feed = before.pop() if before else None
    return AskedOrder(identifier, "" if role == OWN_ROLE else role, feed)


class OrderNames:
    """How each of some orders is called among the others."""

    def __init__(self, keys: Iterable[OrderKey]) -> None:
        self._by_id: defaultdict[str, set[OrderKey]] = defaultdict(set)
        self._feeds: defaultdict[str, set[str]] = defaultdict(set)  # that have orders of a role
        for key in keys:
            self._by_id[key.id].add(key)
            self._feeds[key.role].add(key.feed)

    def shown(self, key: OrderKey) -> str:
        """Return how an order is called; `find` returns that order and no other for it."""
        feed, role, identifier = key
        if role:
            others = self._feeds.get(role, set())
            return spelled(role, identifier) if others <= {feed} else f"{feed}/{role}/{identifier}"
        same = self._by_id.get(identifier, set()) - {key}
        if not same:
            return identifier
        is_shared = any(not other.role for other in same)
        return f"{feed}/{OWN_ROLE}/{identifier}" if is_shared else f"{OWN_ROLE}/{identifier}"

    def find(self, text: str) -> list[OrderKey]:
        """Return the keys of the orders that a text may name, in ascending order."""
        asked = parse_asked(text)
        if asked is None:
            return []
        return sorted(key for key in self._by_id.get(asked.id, ()) if asked.fits(key))
