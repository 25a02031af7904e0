"""How many orders of the ruleset enforced need a look, as gauges."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily


def order_gauges(without_slot: int, without_room: int, contradictions: int) -> Iterator[GaugeMetricFamily]:
    """Yield the gauges; the numbers are of orders, and of contradictions between those of different authorities."""
    for name, text, value in (
        ("counted_together", "whose hits are counted as order `other`, since all counters are taken", without_slot),
        ("contradicting", "that would open what another authority blocks, or do: pairs of orders", contradictions),
        ("without_room", "that are refused on some names, which their authority lists too often", without_room),
    ):
        yield GaugeMetricFamily(f"blockd_orders_{name}", f"Orders enforced {text}.", value=value)
