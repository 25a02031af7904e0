"""Hits by order and by authority over a time, and the orders in force without one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from blockd.daemon.figures.history import ALL_OTHERS, HitOwners
from blockd.daemon.figures.history_file import HIT_STEPS, HistoryFile, OrderName
from blockd.daemon.hit_slots import SHARED, HitSlots
from blockd.orders import State
from blockd.ruleset import Enforced
from blockd.settings.feeds import OVERRIDES
from blockd.times import time_text
from blockd.web.figures.hits import MAX_ROWS, MAX_WITHOUT, HitRow, HitsBy, HitTable, Span

SECONDS: Mapping[Span, int] = {"1h": 3600, "1d": 86400, "7d": 7 * 86400, "30d": 30 * 86400, "13mo": 396 * 86400}
STEPS: Mapping[Span, int] = dict(zip(SECONDS, (600, 3600, 86400, 86400, 7 * 86400), strict=True))
NO_LONGER_KNOWN: OrderName = ("", "")  # orders that are no longer told apart in the history
_LABELS = {ALL_OTHERS: "other", NO_LONGER_KNOWN: "forgotten"}


@dataclass(frozen=True, slots=True)
class EnforcedOrders:
    """The orders that are enforced: the authority of each, which are in force, and which of these share a counter."""

    authorities: Mapping[OrderName, str]
    in_force: frozenset[OrderName]
    together: frozenset[OrderName] = frozenset()  # without a counter of their own: nobody knows whether they were hit

    @classmethod
    def of(cls, enforced: Enforced | None) -> EnforcedOrders:
        """Return those of what is enforced; the operator's overrides block nothing, and are left out."""
        if enforced is None:
            return cls({}, frozenset())
        authorities: dict[OrderName, str] = {}
        in_force, together = set(), set()
        states, slots = bytes(enforced.states.states), enforced.states.hit_slots
        for record, state, slot in zip(enforced.ruleset.catalogue.orders, states, slots, strict=True):
            if record.feed != OVERRIDES:
                name = record.feed, record.order.name
                authorities[name] = record.order.authority
                if state == State.IN_FORCE:
                    in_force.add(name)
                    if slot == SHARED:
                        together.add(name)
        return cls(authorities, frozenset(in_force), frozenset(together))


def owners_of(slots: HitSlots, orders: EnforcedOrders) -> HitOwners:
    """Return whose counter is whose now."""
    named = {slot: (labels.feed, labels.order) for labels, slot in dict(slots.slots).items()}
    return HitOwners({SHARED: ALL_OTHERS, **named}, orders.authorities)


@dataclass(frozen=True, slots=True)
class SpanHits:
    """The hits of a time by order, when its first step begins, and the authorities that orders had."""

    counts: Mapping[OrderName, int]
    since: int | None
    authorities: Mapping[OrderName, str]

    @classmethod
    def read(cls, file: HistoryFile, span: Span, now: float) -> SpanHits:
        """Read those of a span that ends at `now`."""
        counts, since = file.hits(STEPS[span], now - SECONDS[span])
        return cls(counts, since, file.authorities())

    def table(self, span: Span, by: HitsBy, orders: EnforcedOrders, now: float) -> HitTable:
        """Return the table of a span, for the orders that are enforced now."""
        rows = self._by_order(orders) if by == "order" else self._by_authority(orders)
        rows.sort(key=lambda row: (-row.hits, row.key))
        without = sorted("/".join(name) for name in orders.in_force - orders.together if not self.counts.get(name))
        return HitTable(
            span=span,
            by=by,
            since=time_text(now if self.since is None else self.since),
            total=sum(self.counts.values()),
            rows=tuple(rows[:MAX_ROWS]),
            more=len(rows[MAX_ROWS:]),
            without_hit=tuple(without[:MAX_WITHOUT]),
            without_more=len(without[MAX_WITHOUT:]),
            together=len(orders.together),
        )

    def _by_order(self, orders: EnforcedOrders) -> list[HitRow]:
        return [
            HitRow(
                "/".join(part for part in name if part) or _LABELS[NO_LONGER_KNOWN], _LABELS.get(name, name[1]),
                self._authority(name, orders), name[0], count,
                name in orders.in_force or (name == ALL_OTHERS and bool(orders.together)),
            )
            for name, count in self.counts.items()
            if count
        ]  # fmt: skip

    def _by_authority(self, orders: EnforcedOrders) -> list[HitRow]:
        in_force = {self._whose(name, orders) for name in orders.in_force}
        sums: dict[str, int] = {}
        for name, count in self.counts.items():
            whose = self._whose(name, orders)
            sums[whose] = sums.get(whose, 0) + count
        return [HitRow(whose, whose, whose, "", count, whose in in_force) for whose, count in sums.items() if count]

    def _authority(self, name: OrderName, orders: EnforcedOrders) -> str:
        return orders.authorities.get(name) or self.authorities.get(name, "")

    def _whose(self, name: OrderName, orders: EnforcedOrders) -> str:
        """Return the authority of an order, or the feed of a list for which none is named."""
        return self._authority(name, orders) or name[0] or _LABELS[name]


assert set(STEPS.values()) <= set(HIT_STEPS)  # noqa: S101 - each span is made of steps that are kept
