"""The salts of a ruleset's confidential orders: under each of them every question's name is hashed and looked for.

A hash hides how many labels its name has, so all suffixes of a name that an order may list are hashed: those of
2 labels, since no order may list a top-level name, to MAX_HASHED_LABELS.
"""

from __future__ import annotations

from collections.abc import Iterable

from blockd.errors import RulesetError
from blockd.orders import Order, end_of

MAX_SALTS = 16  # each costs a question some hundred nanoseconds for every label of its name
MIN_HASHED_LABELS = 2
# Of a name that is known by its hash; what names longer than that cost is no stranger's to choose.
MAX_HASHED_LABELS = 16


def salts_of(orders: Iterable[Order], created: int) -> tuple[bytes, ...]:
    """Give the distinct salts of the orders that had not ended for good when their ruleset was `created`.

    They come in the order of the first order that has each. Raises RulesetError where they are more than MAX_SALTS.
    """
    salts = dict.fromkeys(order.salt for order in orders if order.salt and end_of(order) > created)
    if len(salts) > MAX_SALTS:
        raise RulesetError(
            f"its confidential orders have {len(salts)} salts between them, and each question would be hashed under "
            f"every one; {MAX_SALTS} are allowed, so an authority uses one salt for several orders"
        )
    return tuple(salts)
