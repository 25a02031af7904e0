"""Changes of orders and of their states, and the time from when a change was due to when every worker enforces it.

An order is imposed on a node when it comes into force for every worker, or is changed while it is; it is lifted when it
ends, for whatever reason. The time runs from when that could be known: from the signing of the version that brought it,
or from the date that the order names, whichever is later.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass

from blockd.feeds.fetched import Fetched
from blockd.metrics.sample import Change
from blockd.orders import Order, OrderKey, State
from blockd.ruleset import Catalogue
from blockd.ruleset.catalogue import OrderRecord
from blockd.settings import ZONE_TYPES

GONE = "gone"  # the state of an order that its feed no longer lists

Known = MutableMapping[OrderKey, str]
"""The state that was recorded last of each order."""


@dataclass(frozen=True, slots=True)
class OrderTransition:
    """A change of an order or of its state; `seconds` is None if it is not known since when the change was due."""

    order: Order
    feed: str
    state: str
    before: str | None  # the state that was recorded last
    change: Change | None  # None if the order neither was nor is in force
    signed: float | None = None  # seconds since the epoch
    due: int | None = None  # the order's date that caused the change, seconds since the epoch
    seconds: float | None = None

    @property
    def key(self) -> OrderKey:
        """The order's key."""
        return self.order.key(self.feed)


def transitions_of_version(
    before: Catalogue | None,
    after: Catalogue,
    states: Sequence[int] | memoryview[int],
    known: Known,
    taken: Mapping[str, Fetched],
    at: float,
) -> Iterator[OrderTransition]:
    """Yield what a version, enforced by every worker since `at`, has changed, and note it in `known`.

    Policy zones are left out, since nobody signs their rules one by one.
    """
    zones = {feed.name for feed in after.feeds if feed.type in ZONE_TYPES}
    earlier = {record.key: record.order for record in before.orders} if before else {}
    listed = set()
    for index, record in enumerate(after.orders):
        order, key = record.order, record.key
        if record.feed in zones:
            continue
        listed.add(key)
        state, last = State(states[index]), known.get(key)
        before_it = earlier.get(key, order)
        if last == state.text and (
            before_it is order or before_it == order
        ):  # usually the same object, which is quick to compare
            continue
        known[key] = state.text
        signed = _signed(record, taken) if before is not None else None
        due = _due(order, state)
        begun = None if signed is None else max(signed, due if due is not None and due <= at else signed)
        yield OrderTransition(
            order, record.feed, state.text, last, _change(last, state), signed, due, _since(begun, at)
        )
    for key in [key for key in known if key not in listed]:
        last = known.pop(key)
        order_before = earlier.get(key)
        if last != GONE and order_before is not None:
            signed = taken[key.feed].published if key.feed in taken else None
            yield OrderTransition(
                order_before, key.feed, GONE, last, _change(last, None), signed, None, _since(signed, at)
            )


def turns_of_dates(
    catalogue: Catalogue, before: Sequence[int], after: Sequence[int] | memoryview[int], known: Known, at: float
) -> Iterator[OrderTransition]:
    """Yield the changes caused by the dates of orders at `at`, the moment at which workers see them."""
    zones = {feed.name for feed in catalogue.feeds if feed.type in ZONE_TYPES}
    for index, record in enumerate(catalogue.orders):
        if before[index] == after[index] or record.feed in zones:
            continue
        state, key = State(after[index]), record.key
        last, known[key] = known.get(key), state.text
        due = _due(record.order, state)
        # A date in the future did not cause the state: the order's feed has expired, or was renewed.
        is_due = due is not None and due <= at and State(before[index]) is not State.LIFTED
        yield OrderTransition(
            record.order, record.feed, state.text, last, _change(last or State(before[index]).text, state),
            due=due if is_due else None, seconds=_since(due, at) if is_due else None,
        )  # fmt: skip


def _signed(record: OrderRecord, taken: Mapping[str, Fetched]) -> float | None:
    fetched = taken.get(record.feed)
    if fetched is not None and fetched.published is not None:
        return fetched.published
    return record.order.published


def _due(order: Order, state: State) -> int | None:
    dates = {State.IN_FORCE: order.in_force_from, State.EXPIRED: order.expires, State.LIFTED: order.lifted_on}
    return dates.get(state)


def _change(last: str | None, state: State | None) -> Change | None:
    if state is State.IN_FORCE:
        return "imposed"
    return "lifted" if last == State.IN_FORCE.text else None


def _since(begun: float | None, at: float) -> float | None:
    return None if begun is None else max(0.0, at - begun)
