"""The text that is scraped says what Prometheus's own library writes of the same families, made a slice at a time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from blockd.feeds.reasons import REASONS
from blockd.metrics import Collector, Counters, HitLabels
from blockd.metrics.exposition import Row, Table, lines_of
from blockd.web.api import slices
from blockd.web.api.slices import in_slices
from tests.metrics.test_collector import SAMPLE

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\x1c\x1d\x1e\x85\u2028\u2029\x0b\x0c"))
NUMBERS = st.floats() | st.integers(-(2**60), 2**60)


class Given:
    def __init__(self, *families: Table) -> None:
        self._families = families

    def describe(self) -> list[Table]:
        return []

    def collect(self) -> list[Table]:
        return list(self._families)


def both(collector: Collector | Given) -> tuple[str, str]:
    registry = CollectorRegistry()
    registry.register(collector)
    return "".join(lines_of(collector.collect())), generate_latest(registry).decode()


def test_all_that_blockd_has_is_written_as_the_library_does() -> None:
    counters = Counters(2)
    for slot in range(3):
        for kind in range(3):
            for _ in range(slot + kind + 1):
                counters.row(slot % 2).hit(slot, kind)
    found, expected = both(Collector(counters, list(REASONS), lambda: SAMPLE))
    assert list(text_string_to_metric_families(found)) == list(text_string_to_metric_families(expected))
    assert [line.rpartition(" ")[0] for line in found.split("\n")] == [
        line.rpartition(" ")[0] for line in expected.split("\n")
    ]


@given(st.lists(st.tuples(st.tuples(TEXTS, TEXTS), NUMBERS), max_size=5), st.sampled_from(("counter", "gauge")), TEXTS)
def test_whatever_labels_and_numbers_are_they_are_read_as_the_library_writes_them(
    rows: list[Row], kind: str, text: str
) -> None:
    found, expected = both(Given(Table(kind, "blockd_odd", text, ("zone", "authority"), lambda: rows)))
    assert repr(list(text_string_to_metric_families(found))) == repr(list(text_string_to_metric_families(expected)))


class Asked(Counters):
    """Counters that count how many orders' hits were asked for."""

    orders = 0

    def hits(self, slot: int) -> list[int]:
        self.orders += 1
        return super().hits(slot)


def test_a_scrape_of_the_most_orders_and_feeds_leaves_the_loop_to_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slices, "SLICE", 0.0)  # each is over at once: none of them waits for all orders
    sample = replace(
        SAMPLE,
        hit_slots={HitLabels("ministry", "", f"order-{number}", "sinkhole"): number for number in range(1, 16_384)},
        feeds={f"feed-{number}": SAMPLE.feeds["ministry"] for number in range(1000)},
    )
    counters = Asked(1)
    collector = Collector(counters, list(REASONS), lambda: sample)

    async def most_at_once() -> int:
        """Return the most orders that were read between two turns of another task."""
        scrape = asyncio.create_task(in_slices(lines_of(collector.collect())))
        most = before = 0
        while not scrape.done():
            await asyncio.sleep(0)
            most, before = max(most, counters.orders - before), counters.orders
        assert (await scrape).count(b"\nblockd_hits_total{") == 3 * 16_384
        return most

    assert asyncio.run(most_at_once()) <= slices.PARTS


def test_a_part_that_takes_long_is_followed_by_others_turns() -> None:
    order: list[str] = []

    def parts() -> Iterator[str]:
        for number in range(64):
            if number % 16 == 0:
                end = time.monotonic() + slices.SLICE
                while time.monotonic() < end:
                    pass
            order.append("part")
            yield f"{number} "

    async def other() -> None:
        while len(order) < 64:
            order.append("other")
            await asyncio.sleep(0)

    async def both_of_them() -> bytes:
        task = asyncio.create_task(other())
        made = await in_slices(parts())
        await task
        return made

    assert asyncio.run(both_of_them()) == "".join(f"{number} " for number in range(64)).encode()
    assert "other" in order[: order.index("part", 17)]
