"""A worker that starts begins with what those beside it know of upstreams."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from blockd.daemon.upstreams.known import LONGEST, NOT_KNOWN, learn
from blockd.daemon.upstreams.notes import UpstreamNotes
from blockd.metrics.upstreams import FAILURES, Load, UpstreamFigures, UpstreamTable
from blockd.resolver.forwarding.health import DOWN, PROBES_TO_DOWN, UNKNOWN, UP, Health, choose
from blockd.settings import Upstream
from tests.daemon.harness import Daemon, until
from tests.upstream import Fault, UpstreamSimulator

NEAR, FAR = Upstream("192.0.2.1", 53), Upstream("192.0.2.2", 53)
WALL = 1_000_000.0  # seconds by which the wall clock is ahead in these tests


@pytest.fixture
def table() -> UpstreamTable:
    return UpstreamTable(3)


def note(table: UpstreamTable, row: int, healths: dict[Upstream, Health], now: float) -> None:
    """Have a worker note how it sees upstreams."""
    notes = UpstreamNotes(table.row(row), list(healths), lambda: now, lambda: now + WALL)
    notes.note(healths, {}, Load(0, 0, 0))


def started(table: UpstreamTable, now: float, *upstreams: Upstream) -> dict[Upstream, Health]:
    """Return the healths of a worker that starts."""
    healths = {one: Health(now) for one in upstreams}
    learn(healths, table, lambda: now, lambda: now + WALL)
    return healths


def down(now: float) -> Health:
    health = Health(now)
    for _ in range(PROBES_TO_DOWN):
        health.note_probe_silence(now)
    return health


def test_it_asks_none_that_is_down_and_prefers_the_one_that_is_near(table: UpstreamTable) -> None:
    far, near = Health(10.0), Health(10.0)
    far.note_probe_answer(20.0, 0.3, True)
    near.note_probe_answer(21.0, 0.01, True)
    lost = Upstream("192.0.2.3", 53)
    note(table, 0, {FAR: far, lost: down(12.0), NEAR: near}, 30.0)
    healths = started(table, 40.0, lost, FAR, NEAR)
    assert [one.state for one in healths.values()] == [DOWN, UP, UP]
    assert choose(list(healths.values()), 0) == 2
    assert healths[NEAR].heard == pytest.approx(21.0)
    assert healths[FAR].distance == pytest.approx(0.3)
    assert healths[FAR].patience() > healths[NEAR].patience()
    assert healths[lost].since == pytest.approx(12.0)
    assert all(one.next_probe == 40.0 for one in healths.values()), "it finds out by itself at once"
    healths[lost].note_probe_answer(41.0, 0.2, True)
    assert healths[lost].state == UP


def test_it_counts_from_nothing(table: UpstreamTable) -> None:
    health = Health(1.0)
    health.note_asked()
    health.note_answer(2.0, 0.1)
    note(table, 0, {NEAR: health}, 3.0)
    assert (started(table, 4.0, NEAR)[NEAR].asked, started(table, 4.0, NEAR)[NEAR].answered) == (0, 0)


def test_of_what_nobody_knows_nothing_is_known(table: UpstreamTable) -> None:
    note(table, 0, {NEAR: down(1.0)}, 2.0)
    assert (started(table, 3.0, FAR)[FAR].state, started(table, 3.0, FAR)[FAR].heard) == (UNKNOWN, NOT_KNOWN)


def test_what_one_that_has_ended_knew_does_not_count(table: UpstreamTable) -> None:
    note(table, 1, {NEAR: down(1.0)}, 2.0)
    table.forget(1)
    assert started(table, 3.0, NEAR)[NEAR].state == UNKNOWN


def test_one_that_any_worker_hears_is_asked(table: UpstreamTable) -> None:
    heard = Health(1.0)
    heard.note_probe_answer(1.5, 0.1, True)
    note(table, 0, {NEAR: down(1.0)}, 2.0)
    note(table, 1, {NEAR: heard}, 2.0)
    assert started(table, 3.0, NEAR)[NEAR].state == UP


def test_what_cannot_be_is_left(table: UpstreamTable) -> None:
    """A worker that was broken into writes what it likes into its row."""
    nothing = (0,) * len(FAILURES)
    row = table.row(0)
    row.use([NEAR.text, FAR.text])
    row.note(0, UpstreamFigures(99, 0, 0, 0, 0, 0, 0, 0, 0, 0, nothing))
    row.note(1, UpstreamFigures(UP, 1e12, 1e12, LONGEST * 2, LONGEST * 2, 0, 0, 0, 0, 0, nothing))
    healths = started(table, 5.0, NEAR, FAR)
    assert healths[NEAR].state == UNKNOWN
    assert (healths[FAR].heard, healths[FAR].since) == (5.0, 5.0), "not later than now"
    assert (healths[FAR].smoothed, healths[FAR].distance) == (NOT_KNOWN, NOT_KNOWN)


@pytest.fixture
def silent() -> Iterator[UpstreamSimulator]:
    with UpstreamSimulator() as upstream:
        upstream.faults = {Fault.SILENCE}
        yield upstream


@pytest.fixture
def daemon(tmp_path: Path, resolver: UpstreamSimulator) -> Iterator[Daemon]:
    with Daemon(tmp_path, upstream=resolver.address) as running:
        yield running


def test_after_a_reload_no_question_goes_to_an_upstream_that_is_down(
    daemon: Daemon, resolver: UpstreamSimulator, silent: UpstreamSimulator
) -> None:
    daemon.reload(upstreams=[silent.address, resolver.address], upstream={"flood_limit": 0})
    until(
        lambda: daemon.metric("blockd_upstream_state", upstream=silent.address, state="down") == 2,
        "it is down for both",
    )
    workers = set(daemon.children("w"))
    daemon.reload(sinkhole={"ttl": 30})
    until(lambda: not workers & set(daemon.children("w")), "others serve")
    for number in range(20):  # so many reach every worker
        assert daemon.ask(f"new-{number}.example").rcode == "NXDOMAIN"
    assert [seen.name for seen in silent.seen if seen.name.startswith("new-")] == []
