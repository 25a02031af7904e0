"""Which orders anybody is told of, and where: the incident's page of an order."""

from __future__ import annotations

from blockd.orders.lifecycle import State
from blockd.orders.order import Action, Order
from blockd.orders.verdict import Verdict

OVERRIDES = "overrides"  # the feed of the operator's own exceptions, a reserved name
PLACE = "/orders"  # below which each order has its page


def has_page(verdict: Verdict) -> bool:
    """Return whether an order has a page: not the operator's own exceptions, and not one that only counts questions.

    A confidential order has one while it is in force: whoever is blocked by it learns as much. A list has none.
    """
    order = verdict.order
    if order is None or order.list_name or verdict.feed == OVERRIDES or order.action is Action.MONITOR:
        return False
    return not order.is_confidential or verdict.state is State.IN_FORCE


def place_of(order: Order) -> str:
    """Return the path of an order's page; nothing in an order's name needs to be escaped (`blockd.orders.key`)."""
    return f"{PLACE}/{order.name}"


def incident_url(base: str, verdict: Verdict) -> str:
    """Return the address of an order's page below `base`, the setting `public.url`; empty if it has none."""
    if not base or verdict.order is None or not has_page(verdict):
        return ""
    return f"{base.rstrip('/')}{place_of(verdict.order)}"
