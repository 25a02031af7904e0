"""The salts of a ruleset's confidential orders: every question's name is hashed under each of them and looked up.

A hash hides how many labels its name has, so all suffixes of a name that an order may list are hashed: those of
2 labels, since no order may list a top-level name, to MAX_HASHED_LABELS.
"""

from __future__ import annotations

from collections.abc import Iterable

from blockd.errors import RulesetError
from blockd.orders import Order, end_of

MAX_SALTS = 64  # each costs a question some hundred nanoseconds for every label of its name
MAX_SALTS_OF_ONE = 4  # new ones of one authority, so that it leaves room to others; one is enough
MIN_HASHED_LABELS = 2
# Labels of a hashed name; the bound keeps strangers from choosing the cost of a lookup.
MAX_HASHED_LABELS = 16


def salts_of(orders: Iterable[Order], created: int) -> tuple[bytes, ...]:
    """Return the distinct salts of the orders that had not ended for good when their ruleset was `created`.

    They are in the order of their first use. Raises RulesetError if there are more than MAX_SALTS.
    """
    salts = dict.fromkeys(order.salt for order in orders if order.salt and end_of(order) > created)
    if len(salts) > MAX_SALTS:
        raise RulesetError(
            f"its confidential orders have {len(salts)} different salts, and each question would be hashed under every "
            f"one; {MAX_SALTS} are allowed. An authority should use one salt for several orders"
        )
    return tuple(salts)
