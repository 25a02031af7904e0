from __future__ import annotations

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blockd.metrics import Closing, Counters, Transport
from blockd.metrics.counters import HIT_KINDS, MAX_HIT_SLOTS, OTHERS, RCODES, UPSTREAM_BUCKETS


def test_everything_begins_at_zero() -> None:
    counters = Counters(2)
    assert counters.queries() == [0] * len(Transport)
    assert counters.answers() == [0] * RCODES
    assert counters.cache_hits() == counters.cache_misses() == 0
    assert counters.cache_size() == (0, 0)
    assert counters.upstream() == ([0] * (len(UPSTREAM_BUCKETS) + 1), 0.0)
    assert counters.hits(0) == counters.hits(MAX_HIT_SLOTS - 1) == [0] * len(HIT_KINDS)


def test_rows_add_up_over_workers_and_the_control_process() -> None:
    counters = Counters(2)
    for index in range(3):
        row = counters.row(index)
        for _ in range(index + 1):
            row.query(Transport.TCP)
            row.answer(3)
            row.cache_hit()
            row.cache_miss()
            row.connection_closed(Transport.TCP, Closing.STRANGER)
            row.connection_closed(Transport.TLS, Closing.DESCRIPTORS)
            row.cache_grown(3, 700)
            row.cache_grown(-1, -200)
            row.upstream(0.5)
            row.hit(7, 1)
    assert counters.queries()[Transport.TCP] == 6
    assert sum(counters.queries()) == 6
    assert counters.answers()[3] == 6
    assert sum(counters.answers()) == 6
    assert counters.cache_hits() == counters.cache_misses() == 6
    assert counters.connections_closed(Transport.TCP) == [0, 0, 0, 6, 0, 0]
    assert counters.connections_closed(Transport.TLS) == [0, 0, 0, 0, 6, 0]
    assert counters.connections_closed(Transport.HTTP) == [0] * len(Closing)
    assert counters.cache_size() == (12, 3000)
    assert counters.upstream()[1] == pytest.approx(3.0)
    assert sum(counters.upstream()[0]) == 6
    assert counters.hits(7) == [0, 6, 0]


def test_a_row_survives_its_worker() -> None:
    counters = Counters(1)
    counters.row(0).query(Transport.UDP)
    counters.row(0).query(Transport.UDP)
    assert counters.queries()[Transport.UDP] == 2


def test_a_workers_successor_begins_with_an_empty_cache() -> None:
    counters = Counters(1)
    counters.row(0).cache_grown(3, 700)
    counters.row(1).cache_grown(1, 10)
    counters.row(0).cache_emptied()
    assert counters.cache_size() == (1, 10)


def test_a_childs_counts_are_seen_by_its_parent() -> None:
    counters = Counters(1)
    child = os.fork()
    if not child:
        counters.row(0).hit(3)
        os._exit(0)
    os.waitpid(child, 0)
    assert counters.hits(3) == [1, 0, 0]


def test_a_row_that_is_not_there_counts_nothing() -> None:
    counters = Counters(1)
    with pytest.raises(IndexError):
        counters.row(1 + len(OTHERS)).query(Transport.UDP)
    assert sum(counters.queries()) == 0


def test_rcodes_without_a_place_share_the_last() -> None:
    counters = Counters(1)
    for rcode in (23, 24, 25, 4095):
        counters.row(0).answer(rcode)
    assert counters.answers()[23] == 1
    assert counters.answers()[-1] == 3
    assert sum(counters.answers()) == 4
    assert counters.cache_hits() == 0


def test_orders_behind_the_last_slot_share_the_first() -> None:
    counters = Counters(1)
    row = counters.row(0)
    row.hit(MAX_HIT_SLOTS - 1, 2)
    row.hit(MAX_HIT_SLOTS)
    row.hit(2**32 - 1)
    assert counters.hits(MAX_HIT_SLOTS - 1) == [0, 0, 1]
    assert counters.hits(0) == counters.hits(MAX_HIT_SLOTS) == counters.hits(2**32 - 1) == [2, 0, 0]
    assert counters.row(1) is not None
    assert sum(counters.queries()) == 0


def test_a_slots_hits_can_be_set_to_zero_and_no_others() -> None:
    counters = Counters(2)
    for index in range(3):
        for slot in (6, 7, 8):
            for kind in range(len(HIT_KINDS)):
                counters.row(index).hit(slot, kind)
    counters.clear_hits(7)
    assert (counters.hits(6), counters.hits(7), counters.hits(8)) == ([3, 3, 3], [0, 0, 0], [3, 3, 3])


@pytest.mark.parametrize(("bucket", "bound"), list(enumerate(UPSTREAM_BUCKETS)))
def test_an_exchange_falls_into_the_bucket_that_bounds_it(bucket: int, bound: float) -> None:
    counters = Counters(1)
    counters.row(0).upstream(bound)
    counters.row(0).upstream(bound * 1.01)
    by_bucket, seconds = counters.upstream()
    assert by_bucket[bucket] == by_bucket[bucket + 1] == 1
    assert seconds == pytest.approx(bound * 2.01, abs=2e-6)


@settings(max_examples=50)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 2),
            st.sampled_from(Transport),
            st.integers(0, 30),
            st.integers(0, 5),
            st.integers(0, len(HIT_KINDS) - 1),
        ),
        max_size=50,
    )
)
def test_no_count_is_lost_or_counted_twice(events: list[tuple[int, Transport, int, int, int]]) -> None:
    counters = Counters(2)
    for index, transport, rcode, slot, kind in events:
        row = counters.row(index)
        row.query(transport)
        row.answer(rcode)
        row.hit(slot, kind)
    for transport in Transport:
        assert counters.queries()[transport] == sum(event[1] == transport for event in events)
    for rcode in range(RCODES - 1):
        assert counters.answers()[rcode] == sum(event[2] == rcode for event in events)
    for slot in range(6):
        expected = [sum(event[3:] == (slot, kind) for event in events) for kind in range(len(HIT_KINDS))]
        assert counters.hits(slot) == expected


def test_hits_of_all_slots_are_those_of_each() -> None:
    counters = Counters(3)
    for row, slot, kind in ((0, 0, 0), (0, 5, 0), (1, 5, 1), (2, 5, 2), (4, 5, 2), (1, MAX_HIT_SLOTS - 1, 1)):
        counters.row(row).hit(slot, kind)
    hits = counters.all_hits()
    assert len(hits) == MAX_HIT_SLOTS
    assert {slot: count for slot, count in enumerate(hits) if count} == {0: 1, 5: 4, MAX_HIT_SLOTS - 1: 1}
    assert hits[5] == sum(counters.hits(5))
