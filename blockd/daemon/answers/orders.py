"""A page of the orders in what is enforced, for the admin port."""

from __future__ import annotations

from dataclasses import dataclass

from blockd.daemon.lookup.named import NamedOrder
from blockd.errors import CommandError
from blockd.orders import State
from blockd.ruleset import Enforced


@dataclass(frozen=True, slots=True)
class OrderPage:
    """Orders from `start` on, of `total` that were asked for; `version` has them."""

    version: int
    total: int
    start: int
    orders: tuple[NamedOrder, ...]

    def to_json(self) -> dict[str, object]:
        """Return it as JSON values, without what is confidential."""
        return {
            "version": self.version,
            "total": self.total,
            "start": self.start,
            "orders": [order.to_json() for order in self.orders],
        }


def order_page(
    enforced: Enforced | None, start: int, limit: int, feed: str = "", authority: str = "", state: str = ""
) -> OrderPage:
    """Return at most `limit` orders from `start` on, in the order of the ruleset; lists are none.

    An empty text stands for any feed, authority or state. Raises CommandError if nothing is enforced yet.
    """
    if enforced is None:
        raise CommandError("No list is enforced yet, so that no order is known.")
    states = enforced.states.states
    fitting = [
        index
        for index, record in enumerate(enforced.ruleset.catalogue.orders)
        if not record.order.list_name
        and feed in ("", record.feed)
        and authority in ("", record.order.authority)
        and (not state or State(states[index]).text == state)
    ]
    shown = tuple(NamedOrder.of(enforced, index) for index in fitting[start : start + limit])
    return OrderPage(enforced.version, len(fitting), start, shown)
