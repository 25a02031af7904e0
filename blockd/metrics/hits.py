"""The metric of orders' hits: one series for each order, action and protocol."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from blockd.metrics.counters import HIT_KINDS, Counters
from blockd.metrics.exposition import Row, Table
from blockd.metrics.sample import OTHER, HitLabels

# What was done to a hit, if it was not the order's own action in DNS.
_SINKHOLE_ACTIONS = {"http": "page", "tls": "alert"}


def hits_table(counters: Counters, slots: Mapping[HitLabels, int]) -> Table:
    """Return the family; `slots` are those of orders with a counter of their own."""
    return Table(
        "counter",
        "blockd_hits",
        "Hits of an order by protocol (dns, http, tls): its action in DNS, page for a block page, alert for a "
        "refused TLS handshake. `order` is what the order is called: ROLE/ID, or FEED/ROLE/ID if two feeds share a "
        "role. Orders beyond those that are counted one by one are counted as order `other`.",
        ("feed", "platform", "order", "action", "protocol"),
        lambda: _rows(counters, slots),
    )


def _rows(counters: Counters, slots: Mapping[HitLabels, int]) -> Iterator[Row]:
    # Orders of which only the action differs have the same series for pages and handshakes.
    orders: dict[tuple[str, str, str], list[tuple[str, int]]] = {}
    for labels, slot in (*slots.items(), (OTHER, 0)):
        orders.setdefault(labels.identity, []).append((labels.action, slot))
    for identity, owned in orders.items():
        counted: dict[tuple[str, str], int] = {}
        for action, slot in owned:
            for protocol, count in zip(HIT_KINDS, counters.hits(slot), strict=True):
                place = _SINKHOLE_ACTIONS.get(protocol, action), protocol
                counted[place] = counted.get(place, 0) + count
        for place, count in counted.items():
            yield (*identity, *place), count
