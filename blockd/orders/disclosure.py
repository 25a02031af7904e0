"""What is disclosed of an order: on the block page and by lookups. Pages and verbs show nothing else of it."""

from __future__ import annotations

from blockd.names import is_hashed_key
from blockd.orders.entry import Entry
from blockd.orders.order import Order
from blockd.orders.stored import order_to_json

CONFIDENTIAL = "confidential"  # in the place of a name, an entry or a platform that is not disclosed

# Of a confidential order: who orders it, on what basis, for how long, where to object. The rest may reveal the names.
_OPEN = (
    "id", "authority", "action", "mandate", "legal_basis", "reference", "contact",
    "in_force_from", "expires", "review_by", "lifted_on", "published",
)  # fmt: skip


def public_text(entry: Entry) -> str:
    """Return an entry's text, or CONFIDENTIAL if it is known by its hash."""
    return CONFIDENTIAL if is_hashed_key(entry.key) else entry.text


def public_fields(order: Order) -> dict[str, object]:
    """Return an order's fields as JSON values, without those that blockd adds; if it is confidential, the open ones."""
    written = order_to_json(order)
    if order.is_confidential:
        return {**{name: written[name] for name in _OPEN if name in written}, CONFIDENTIAL: True}
    return {name: value for name, value in written.items() if not name.startswith("_")}
