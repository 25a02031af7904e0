"""The orders of the version in force that a name of an order fits, for the admin port and the pages about orders."""

from __future__ import annotations

from dataclasses import dataclass

from blockd.errors import CommandError
from blockd.orders import State, Verdict
from blockd.orders.disclosure import public_fields
from blockd.orders.key import parse_asked
from blockd.ruleset import Enforced


@dataclass(frozen=True, slots=True)
class NamedOrders:
    """The orders that fit what was asked for, each as a verdict without an entry, and how many entries each covers."""

    asked: str
    found: tuple[Verdict, ...]
    names: tuple[int, ...]

    @property
    def status(self) -> int:
        """The HTTP status of this as an answer: 200 for one order, 300 for several, 404 for none."""
        return (404, 200, 300)[min(len(self.found), 2)]

    def to_json(self) -> dict[str, object]:
        """Return it as JSON values, without what is confidential."""
        listed = [
            {
                "feed": verdict.feed,
                "role": order.role,
                "state": (verdict.state or State.PENDING).text,
                "stale": verdict.stale,
                "names": names,
                "order": public_fields(order),
            }
            for verdict, names in zip(self.found, self.names, strict=True)
            if (order := verdict.order) is not None
        ]
        return {"asked": self.asked, "orders": listed}


def named_orders(enforced: Enforced | None, asked: str) -> NamedOrders:
    """Return the orders that a text may name; raises CommandError if it can name none, or nothing is enforced yet."""
    if parse_asked(asked) is None:
        raise CommandError("Expected an order as ID, ROLE/ID or FEED/ROLE/ID.")
    if enforced is None:
        raise CommandError("No list is enforced yet, so that no order is known.")
    catalogue = enforced.ruleset.catalogue
    found = catalogue.find(asked)
    return NamedOrders(
        asked, tuple(map(enforced.standing, found)), tuple(catalogue.orders[index].names for index in found)
    )
