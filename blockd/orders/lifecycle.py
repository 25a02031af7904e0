"""The life of an order: pending, in force, expired, lifted. A function of the order and a time."""

from __future__ import annotations

from enum import IntEnum

from blockd.orders.order import Order

NEVER = 1 << 62  # seconds since the epoch: later than every date that can be written


class State(IntEnum):
    """The state of an order; the value is the byte that the engine reads from shared memory."""

    PENDING = 0
    IN_FORCE = 1
    EXPIRED = 2
    LIFTED = 3

    @property
    def text(self) -> str:
        """The state in words: `in force`."""
        return self.name.lower().replace("_", " ")


def state_at(order: Order, now: float) -> State:
    """Return the state of `order` at `now` (seconds since the epoch); a lifting outranks every other date."""
    if order.lifted_on is not None and now >= order.lifted_on:
        return State.LIFTED
    if order.expires is not None and now >= order.expires:
        return State.EXPIRED
    return State.IN_FORCE if now >= begin_of(order) else State.PENDING


def next_change(order: Order, now: float) -> int | None:
    """Return the next second after `now` at which the state may change; None if it never will again."""
    dates = (order.in_force_from, order.expires, order.lifted_on)
    return min((date for date in dates if date is not None and date > now), default=None)


def begin_of(order: Order) -> int:
    """Return the second from which the order is in force; 0 if it names none, and so is as soon as it is taken."""
    return 0 if order.in_force_from is None else order.in_force_from


def end_of(order: Order) -> int:
    """Return the second from which the order is out of force for good: expired or lifted; NEVER if it names none."""
    return min((date for date in (order.expires, order.lifted_on) if date is not None), default=NEVER)
