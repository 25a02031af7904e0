"""The policy's decision about one name. Metrics, EDE, block page, lookup and log only read it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from blockd.orders.entry import Entry
from blockd.orders.lifecycle import NEVER, State
from blockd.orders.order import Action, Order

NO_TIER = 255  # after all tiers


class Reason(StrEnum):
    """Why a verdict is what it is."""

    NOT_LISTED = "no order covers the name"
    NOT_IN_FORCE = "an order covers the name, and is not in force"
    LISTED = "an order in force covers the name"
    ALLOWED = "an allow entry covers the name"
    PASSED = "a policy zone lets the name pass"
    MONITORED = "an order in force only counts questions for the name"
    NOT_READY = "no list was enforced yet"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is to be done with a question, and why.

    `order`, `entry` and `feed` belong to the claim that won; with NOT_IN_FORCE to the best of those that cover the
    name. `order_index` is the order's place in the ruleset's catalogue, None if there is no order. `tier` is the place
    of its feed among the operator's that are asked one after the other, NO_TIER if none decided. `until` is the next
    second since the epoch at which the verdict may change, as far as the orders on the name know: one ends, or another
    takes force. `tiers_left` is the tier before which the operator's feeds may still act on what the answer to the
    question leads to, 0 if nobody may; `passing` has the authorities, by their numbers in the ruleset, that do not act
    on it. `stale` is whether the order was not renewed in time by its signer, and `state` the one in which it is
    enforced, which ends with its feed too.
    """

    reason: Reason
    order: Order | None = None
    entry: Entry | None = None
    feed: str = ""
    order_index: int | None = None
    tier: int = NO_TIER
    until: int = NEVER
    stale: bool = False
    state: State | None = None
    tiers_left: int = NO_TIER
    passing: frozenset[int] = frozenset()

    @property
    def action(self) -> Action | None:
        """The action of the order that won; None if nothing is to be done or counted."""
        return self.order.action if self.order and self.reason not in _NO_ACTION else None

    @property
    def touches(self) -> bool:
        """Whether the answer differs from what an upstream would have said."""
        return self.reason in (Reason.LISTED, Reason.NOT_READY)

    @property
    def stops(self) -> bool:
        """Whether an order keeps clients from the name's own records; over TCP only they get them, by another way."""
        return self.reason is Reason.LISTED and self.action is not Action.TCP_ONLY


_NO_ACTION = (Reason.NOT_LISTED, Reason.NOT_IN_FORCE)
