"""What is told of an order to whoever asks: on the block page, by lookups. Pages and verbs show nothing else of it."""

from __future__ import annotations

from blockd.names import is_hashed_key
from blockd.orders.entry import Entry
from blockd.orders.order import Order
from blockd.orders.stored import order_to_json

CONFIDENTIAL = "confidential"  # in the place of a name, an entry or a platform that is not told

# Of a confidential order: who orders it, on what basis, for how long, and where to object. The rest may say about what.
_OPEN = (
    "id", "authority", "action", "mandate", "legal_basis", "reference", "contact",
    "in_force_from", "expires", "review_by", "lifted_on", "published",
)  # fmt: skip


def public_text(entry: Entry) -> str:
    """Give an entry as people may read it: not at all where it is known by its hash."""
    return CONFIDENTIAL if is_hashed_key(entry.key) else entry.text


def public_fields(order: Order) -> dict[str, object]:
    """Give an order's fields as JSON values, none that blockd itself has added; of a confidential one the open ones."""
    written = order_to_json(order)
    if order.is_confidential:
        return {**{name: written[name] for name in _OPEN if name in written}, CONFIDENTIAL: True}
    return {name: value for name, value in written.items() if not name.startswith("_")}
