"""Hits by order or by authority over a time, and the orders without one."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal, get_args

Span = Literal["1h", "1d", "7d", "30d", "13mo"]
SPANS: tuple[Span, ...] = get_args(Span)
HitsBy = Literal["order", "authority"]
MAX_ROWS = 1000  # shown, those with most hits
MAX_WITHOUT = 1000  # orders without a hit that are shown


@dataclass(frozen=True, slots=True)
class HitRow:
    """The hits of one order, or of all orders of an authority.

    `key` is FEED/ROLE/ID or FEED/ID of an order, else the authority's name; `label` is what it is called.
    Without a feed, `other` are the orders that are counted together, and `forgotten` those that the history no longer
    tells apart.
    """

    key: str
    label: str
    authority: str
    feed: str
    hits: int
    in_force: bool  # whether it is, or an order of the authority is, in what is enforced now


@dataclass(frozen=True, slots=True)
class HitTable:
    """The rows with most hits first; `more` is how many are not shown, `since` (RFC 3339) when counting began.

    `without_hit` are the keys of orders in force that had none, `without_more` how many of them are not shown.
    `together` is how many orders in force have no counter of their own: their hits are those of the key `other`, and
    none of them is among those without a hit.
    """

    span: Span
    by: HitsBy
    since: str
    total: int
    rows: tuple[HitRow, ...]
    more: int
    without_hit: tuple[str, ...]
    without_more: int
    together: int = 0

    def to_json(self) -> dict[str, object]:
        """Return it as JSON values."""
        return {
            **{name: getattr(self, name) for name in self.__slots__},
            "rows": [asdict(row) for row in self.rows],
            "without_hit": list(self.without_hit),
        }
