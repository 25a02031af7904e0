"""The orders of the version in force that a name of an order fits, for the admin port and the pages about orders."""

from __future__ import annotations

from dataclasses import dataclass

from blockd.errors import CommandError
from blockd.orders import Order, State, Verdict
from blockd.orders.disclosure import public_fields
from blockd.orders.key import parse_asked
from blockd.ruleset import Enforced


@dataclass(frozen=True, slots=True)
class NamedOrder:
    """An order as a verdict without an entry, and how many entries it covers."""

    verdict: Verdict
    order: Order
    names: int

    @classmethod
    def of(cls, enforced: Enforced, index: int) -> NamedOrder:
        """Return an order by its place in the catalogue."""
        record = enforced.ruleset.catalogue.orders[index]
        return cls(enforced.standing(index), record.order, record.names)

    def to_json(self) -> dict[str, object]:
        """Return it as JSON values, without what is confidential."""
        return {
            "feed": self.verdict.feed,
            "role": self.order.role,
            "state": (self.verdict.state or State.PENDING).text,
            "stale": self.verdict.stale,
            "names": self.names,
            "order": public_fields(self.order),
        }


@dataclass(frozen=True, slots=True)
class NamedOrders:
    """The orders that fit what was asked for."""

    asked: str
    found: tuple[NamedOrder, ...]

    @property
    def status(self) -> int:
        """The HTTP status of this as an answer: 200 for one order, 300 for several, 404 for none."""
        return (404, 200, 300)[min(len(self.found), 2)]

    def to_json(self) -> dict[str, object]:
        """Return it as JSON values, without what is confidential."""
        return {"asked": self.asked, "orders": [order.to_json() for order in self.found]}


def named_orders(enforced: Enforced | None, asked: str) -> NamedOrders:
    """Return the orders that a text may name; raises CommandError if it can name none, or nothing is enforced yet."""
    if parse_asked(asked) is None:
        raise CommandError("Expected an order as ID, ROLE/ID or FEED/ROLE/ID.")
    if enforced is None:
        raise CommandError("No list is enforced yet, so that no order is known.")
    found = enforced.ruleset.catalogue.find(asked)
    return NamedOrders(asked, tuple(NamedOrder.of(enforced, index) for index in found))
