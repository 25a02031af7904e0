"""The catalogue in a ruleset file: the feeds and orders that it was made from."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TypeVar

from blockd.errors import BadOrder, RulesetError
from blockd.orders import Action, Order, OrderKey, OrderNames, begin_of, end_of
from blockd.orders.key import parse_asked, spelled
from blockd.orders.stored import order_to_json, parse_order
from blockd.ruleset.format import MAX_ORDERS, MAX_TIME
from blockd.settings.feeds import OVERRIDES, SIGNED_TYPES

# The delimiters of the orders' lines. JSON escapes line ends in texts, so no delimiter occurs within an order.
_ORDERS, _BETWEEN, _END = b'"orders": [\n', b",\n", b"\n]}"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class FeedRecord:
    """What one feed contributed to a ruleset."""

    name: str
    type: str
    priority: int  # lower wins
    names: int  # entries after duplicates were taken out
    digest: str  # SHA-256 of what was fetched, hexadecimal
    version: str = ""  # as the feed names it; empty if it has none
    rejected: int = 0  # lines that are not valid names
    asks_client: bool = False  # whether it lists networks of clients
    # By role, empty for a policy zone: the authorities whose orders it may lift, see `blockd.ruleset.parties`.
    may_lift: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class OrderRecord:
    """An order with the name of its feed."""

    order: Order
    feed: str
    names: int  # entries it covers
    refused: int = 0  # entries on which its authority has no more room: other orders of it cover these

    @property
    def owner(self) -> tuple[str, str]:
        """The feed and the role whose orders share the room on one entry."""
        return self.feed, self.order.role

    @property
    def key(self) -> OrderKey:
        """The order's key."""
        return self.order.key(self.feed)


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Feeds by priority, and orders by rank: an order's index is its place in `orders`."""

    feeds: tuple[FeedRecord, ...]
    orders: tuple[OrderRecord, ...]
    made_from: str = ""  # fingerprint: equal values mean that compiling again would make the same
    _by_id: dict[str, list[int]] = field(default_factory=dict, init=False, repr=False, compare=False)  # once asked for
    _by_name: dict[str, FeedRecord] = field(default_factory=dict, init=False, repr=False, compare=False)  # likewise

    def feed(self, name: str) -> FeedRecord | None:
        """Return the record of a feed; None if the ruleset has nothing of it."""
        if not self._by_name:
            self._by_name.update((feed.name, feed) for feed in reversed(self.feeds))
        return self._by_name.get(name)

    def keys(self) -> Iterator[OrderKey]:
        """Yield the keys of the orders, without those that stand for lists."""
        return (record.key for record in self.orders if not record.order.list_name)

    def find(self, asked: str) -> list[int]:
        """Return the indices of the orders that a text may name (`blockd.orders.key`), by their keys; no list's."""
        wanted = parse_asked(asked)
        if wanted is None:
            return []
        if not self._by_id:
            for index, record in enumerate(self.orders):
                if not record.order.list_name:
                    self._by_id.setdefault(record.order.id, []).append(index)
        found = [index for index in self._by_id.get(wanted.id, ()) if wanted.fits(self.orders[index].key)]
        return sorted(found, key=lambda index: self.orders[index].key)

    def to_json(self) -> bytes:
        """Return the catalogue as the file holds it, each order on a line of its own."""
        head = {"feeds": [asdict(feed) for feed in self.feeds], "made_from": self.made_from}
        orders = (
            {"feed": r.feed, "names": r.names, "order": order_to_json(r.order)}
            | ({"refused": r.refused} if r.refused else {})
            for r in self.orders
        )
        return _to_json(head)[:-1] + b", " + _ORDERS + _BETWEEN.join(map(_to_json, orders)) + _END

    @classmethod
    def from_json(cls, octets: bytes, known: Mapping[bytes, OrderRecord] | None = None) -> Catalogue:
        """Parse a catalogue; raises RulesetError if it cannot be read. `known` has orders that were parsed before."""
        known = known or {}
        try:
            split = _split(octets)
            if split is None:  # written before orders had lines
                document = json.loads(octets)
                orders = tuple(_order_record(record) for record in _bounded(document["orders"]))
            else:
                document, lines = json.loads(split[0]), _bounded(split[1])
                orders = tuple(known.get(line) or _order_record(json.loads(line)) for line in lines)
            feeds = tuple(_feed_record(record) for record in document["feeds"])
            made_from = str(document["made_from"])
        except (ValueError, KeyError, TypeError, RecursionError, BadOrder) as error:
            raise RulesetError(f"its catalogue cannot be read: {error}") from error
        return cls(feeds, _named(orders), made_from)

    def by_line(self, octets: bytes) -> dict[bytes, OrderRecord]:
        """Return the orders by their lines in `octets`, which this was parsed from; none if they have no lines."""
        split = _split(octets)
        return {} if split is None else dict(zip(split[1], self.orders, strict=True))


def standing_orders(catalogue: Catalogue, created: int) -> list[Order]:
    """Return the orders; those that no authority dates are as they stood when their ruleset was `created`, or later.

    A list without a date is in force from when it was taken, an override from when it was made, and one that was ended
    by hand is over: a clock that runs back undoes none of that. Orders that are signed go by their dates alone.
    """
    types = {feed.name: feed.type for feed in catalogue.feeds}
    return [_standing(record.order, types.get(record.feed, ""), created) for record in catalogue.orders]


def _standing(order: Order, kind: str, created: int) -> Order:
    if kind in SIGNED_TYPES:
        return order
    at = MAX_TIME if kind == OVERRIDES else created
    has_begun = 0 < begin_of(order) <= at
    was_lifted = order.lifted_on is not None and 0 < order.lifted_on <= at
    if not has_begun and not was_lifted:
        return order
    return replace(
        order,
        in_force_from=0 if has_begun else order.in_force_from,
        lifted_on=0 if was_lifted else order.lifted_on,
    )


def rank(order: Order, priority: int) -> tuple[int, int, int, str]:
    """Return an order's sort key: `allow` first, `monitor` last, then priority, the later date, the id, the role.

    An order without a date comes after those with one.
    """
    kind = {Action.ALLOW: 0, Action.MONITOR: 2}.get(order.action, 1)
    return kind, priority, -begin_of(order), f"{order.id} {order.role}"  # a blank is before all that an id may have


def _named(orders: tuple[OrderRecord, ...]) -> tuple[OrderRecord, ...]:
    """Return the orders, each with how it is called among them; lists are called by their own names."""
    names = OrderNames(Catalogue((), orders).keys())
    return tuple(_called(record, names) for record in orders)


def _called(record: OrderRecord, names: OrderNames) -> OrderRecord:
    order = record.order
    shown = order.id if order.list_name else names.shown(record.key)
    shown = "" if shown == spelled(order.role, order.id) else shown
    return record if shown == order.shown else replace(record, order=replace(order, shown=shown))


def room(order: Order, created: int) -> tuple[bool, int, str]:
    """Return the sort key by which an authority's orders have room on one entry: what is over comes last.

    So what is not in force yet takes no room from what is.
    """
    return end_of(order) <= created, begin_of(order), order.id


def _feed_record(record: Mapping[str, object]) -> FeedRecord:
    found = FeedRecord(**record)  # type: ignore[arg-type]
    texts = (found.name, found.type, found.digest, found.version)
    numbers = (found.priority, found.names, found.rejected, found.asks_client)
    if not all(isinstance(text, str) for text in texts) or not all(isinstance(number, int) for number in numbers):
        raise TypeError("a feed with a wrong value")
    if not isinstance(found.may_lift, dict) or not all(map(_is_list_of_texts, found.may_lift.values())):
        raise TypeError("a feed with a wrong may_lift")
    return replace(found, may_lift={role: tuple(lifted) for role, lifted in found.may_lift.items()})


def _is_list_of_texts(value: object) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(text, str) for text in value)


def _order_record(record: Mapping[str, object]) -> OrderRecord:
    feed, names, refused = record["feed"], record["names"], record.get("refused", 0)
    if not isinstance(feed, str) or not isinstance(names, int) or not isinstance(refused, int):
        raise TypeError("an order without feed or count")
    return OrderRecord(parse_order(record["order"], "an order in the catalogue"), feed, names, refused)


def _to_json(value: object) -> bytes:
    # An unknown field may hold half of a surrogate pair, which JSON can escape and UTF-8 cannot hold.
    return json.dumps(value, ensure_ascii=False, sort_keys=True).encode("utf-8", "surrogatepass")


def _split(octets: bytes) -> tuple[bytes, list[bytes]] | None:
    """Return the part before the orders, closed as an object, and the orders' lines; None if they have no lines."""
    head, found, rest = octets.partition(b", " + _ORDERS)
    if not found or not rest.endswith(_END):
        return None
    lines = rest[: -len(_END)]
    return head + b"}", lines.split(_BETWEEN) if lines else []


def _bounded(orders: list[T]) -> list[T]:
    if len(orders) > MAX_ORDERS:
        raise RulesetError(f"its catalogue has more than {MAX_ORDERS} orders")
    return orders
