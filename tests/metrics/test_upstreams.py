from __future__ import annotations

import dataclasses

from prometheus_client.core import Metric

from blockd.metrics.upstreams import FAILURES, MAX_SLOTS, STATES, Load, UpstreamFigures, UpstreamTable, upstream_metrics
from blockd.resolver.forwarding import health

SEEN = UpstreamFigures(0, 100.5, 200.25, 0.012, 0.001, 3, 45, 38, 2, 1, (1, 0, 0, 0, 1, 0, 0))


def value(families: list[Metric], name: str, **labels: str) -> float:
    [found] = [
        sample.value
        for family in families
        for sample in family.samples
        if sample.name == f"blockd_upstream_{name}" and sample.labels == labels
    ]
    return float(found)


def test_the_words_are_those_of_the_numbers_in_health() -> None:
    assert [STATES[number] for number in (health.UP, health.UNKNOWN, health.DOUBTFUL, health.FAILING, health.DOWN)] == [
        *STATES
    ]
    assert len(FAILURES) == health.KINDS
    words = {"silent": health.SILENT, "unreachable": health.UNREACHABLE, "malformed": health.MALFORMED}
    words |= {"refusing": health.REFUSING, "servfail": health.SERVFAILING, "disconnected": health.DISCONNECTED}
    words |= {"unproven": health.UNPROVEN}
    assert {word: FAILURES.index(word) for word in FAILURES} == words


def test_figures_come_back_as_they_were_noted() -> None:
    table = UpstreamTable(1)
    table.row(0).note(MAX_SLOTS - 1, SEEN)
    assert table.figures(MAX_SLOTS - 1) == SEEN
    assert table.figures(0) is None


def test_workers_are_added_up_and_the_best_state_counts() -> None:
    table = UpstreamTable(3)
    table.row(0).note(0, SEEN)
    table.row(2).note(0, dataclasses.replace(SEEN, state=4, since=50.0, round_trip=0.0))
    both = table.figures(0)
    assert both is not None
    assert (both.state, both.since, both.asked, both.failures) == (0, 100.5, 90, (2, 0, 0, 0, 2, 0, 0))
    assert both.round_trip == SEEN.round_trip, "a worker that knows none does not count"


def test_a_slot_beyond_the_last_is_not_kept_and_hurts_no_other() -> None:
    table = UpstreamTable(2)
    for slot in (-1, MAX_SLOTS):
        table.row(0).note(slot, SEEN)
    assert [table.figures(slot) for slot in (-1, 0, MAX_SLOTS)] == [None, None, None]
    assert table.seen_by(0) == []


def test_a_cleared_row_has_no_upstream() -> None:
    table = UpstreamTable(1)
    table.row(0).note(5, SEEN)
    table.row(0).clear()
    assert table.figures(5) is None


def test_series_are_by_upstream() -> None:
    table = UpstreamTable(2)
    table.row(0).note(0, SEEN)
    table.row(1).note(0, dataclasses.replace(SEEN, state=STATES.index("failing")))
    families = list(upstream_metrics(table, ["192.0.2.1", "192.0.2.2"]))
    assert value(families, "state", upstream="192.0.2.1", state="up") == 1
    assert value(families, "state", upstream="192.0.2.1", state="failing") == 1
    assert value(families, "state", upstream="192.0.2.2", state="up") == 0
    assert value(families, "round_trip_seconds", upstream="192.0.2.1") == 0.012
    assert value(families, "questions_total", upstream="192.0.2.1") == 90
    assert value(families, "answers_total", upstream="192.0.2.1") == 76
    assert value(families, "unanswered_total", upstream="192.0.2.1") == 8
    assert value(families, "in_flight", upstream="192.0.2.1") == 6
    assert value(families, "failures_total", upstream="192.0.2.1", kind="silent") == 2


def noted(table: UpstreamTable, row: int, *names: str, asked: int = SEEN.asked) -> None:
    """Have a worker note figures of some upstreams."""
    made = table.row(row)
    made.use(names)
    for slot in range(len(names)):
        made.note(slot, dataclasses.replace(SEEN, asked=asked))


def test_what_a_worker_has_counted_stays_when_it_ends_and_nothing_else() -> None:
    table = UpstreamTable(2)
    table.use(["one", "two"])
    noted(table, 0, "one", "two")
    noted(table, 1, "one", "two")
    before = table.figures(1)
    table.row(0).note_load(Load(5, 4, 3, 2))
    table.forget(0)
    after = table.figures(1)
    assert before is not None
    assert after == dataclasses.replace(before, in_flight=SEEN.in_flight)
    assert len(table.seen_by(1)) == 1
    assert table.load() == Load(0, 0, 0, 0)
    table.forget(1)
    assert table.figures(1) is None


def test_the_next_worker_counts_on_with_other_upstreams_beside() -> None:
    table = UpstreamTable(1)
    noted(table, 0, "one", "two")
    table.forget(0)
    made = table.row(0)
    made.use(["new", "two"])
    assert made.figures(0) is None
    left = made.figures(1)
    assert left is not None
    assert left.asked == SEEN.asked
    made.note(1, dataclasses.replace(left, asked=left.asked + 1))
    table.use(["new", "two"])
    found = table.figures(1)
    assert found is not None
    assert found.asked == SEEN.asked + 1


def test_workers_by_different_configs_are_added_up_by_upstream() -> None:
    table = UpstreamTable(2)
    noted(table, 0, "one", "two", asked=10)
    noted(table, 1, "two", "three", asked=5)
    table.use(["two", "three"])
    for slot, asked in ((0, 15), (1, 5)):
        found = table.figures(slot)
        assert found is not None
        assert found.asked == asked
    assert len(table.seen_by(0)) == 2
