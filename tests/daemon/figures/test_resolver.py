"""The resolver's health: rates of the last minute, and the names that fail."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from blockd.daemon.figures.resolver import answers_of, failing_names, transports_of
from blockd.daemon.figures.totals import LastMinute, totals_of
from blockd.metrics import Closing, Counters, StreamEvent, Transport
from blockd.names import hashed_key, key_from_text, name_digest
from blockd.orders import Scope
from blockd.resolver.resolution import Resolution
from blockd.ruleset import Listing
from blockd.web.figures.resolver import MAX_FAILING
from tests.ruleset.lists import enforced, feed, order

UNTIL = "2026-11-24T12:00:12Z"


def failure(name: str, until: str = UNTIL, why: str = "no answer") -> dict[str, object]:
    return {"key": key_from_text(name).hex(), "name": name, "type": "A", "why": why, "until": until}


def test_rates_are_of_the_last_minute_alone() -> None:
    counters, minute = Counters(1), LastMinute()
    row = counters.row(0)
    for second in range(0, 200, 2):
        minute.note(second, totals_of(counters))
        for _ in range(20 if second < 100 else 4):
            row.query(Transport.UDP)
            row.cache_hit()
    growth = minute.growth()
    assert growth.seconds == 60
    assert transports_of(growth)["udp"].queries == 2.0
    assert answers_of(growth)["cached"].rate == 2.0
    assert minute.newest().rate("udp") == 2.0


def test_shares_of_errors_and_latency_are_none_where_nothing_was_measured() -> None:
    minute = LastMinute()
    assert transports_of(minute.growth())["dot"].error_share is None
    assert answers_of(minute.growth())["missed"].seconds is None


def test_handshakes_that_fail_and_connections_closed_for_others_are_errors() -> None:
    counters, minute = Counters(1), LastMinute()
    row = counters.row(0)
    minute.note(0, totals_of(counters))
    row.happened(Transport.DOT, StreamEvent.CONNECTION, 10)
    row.happened(Transport.DOT, StreamEvent.HANDSHAKE, 8)
    row.happened(Transport.DOT, StreamEvent.HANDSHAKE_FAILED, 2)
    row.happened(Transport.TCP, StreamEvent.CONNECTION, 3)
    row.connection_closed(Transport.TCP, Closing.PACE)
    row.upstream(0.010)
    row.upstream(0.030)
    minute.note(10, totals_of(counters))
    transports = transports_of(minute.growth())
    assert (transports["dot"].error_share, transports["dot"].handshakes) == (0.2, 0.8)
    assert (transports["tcp"].error_share, transports["tcp"].handshakes) == (0.25, None)
    assert answers_of(minute.growth())["missed"].seconds == 0.02


def test_names_that_fail_are_put_together_and_bounded() -> None:
    told = [failure(f"host-{number}.example", f"2026-11-24T12:{number % 60:02}:00Z") for number in range(130)]
    answers = [
        {"worker": 0, "failures": told, "more": 5},
        {"worker": 1, "failures": [failure("host-59.example", "2026-11-24T13:00:00Z")], "more": 0},
    ]
    names, more = failing_names(answers, Resolution(), None)
    assert len(names) == MAX_FAILING
    assert more == 35
    assert (names[0].name, names[0].workers, names[0].until, names[0].upstream) == (
        "host-59.example", 2, "2026-11-24T13:00:00Z", ".",
    )  # fmt: skip


def test_a_name_that_a_confidential_order_covers_is_not_told(tmp_path: Path) -> None:
    secret, salt = "secret.example", bytes(range(16))
    confidential = replace(order("2026-3"), salt=salt)
    hashed = Listing(confidential, Scope.BOTH, [hashed_key(name_digest(key_from_text(secret), salt))])
    subject = enforced(tmp_path, feed("ministry", hashed))
    names, _ = failing_names([{"failures": [failure(f"www.{secret}")], "more": 0}], Resolution(), subject)
    assert [name.name for name in names] == ["confidential"]


@pytest.mark.parametrize(
    "answer",
    [{"failures": [{"key": "zz"}], "more": 0}, {"failures": ["text"], "more": 0}, {"failures": [], "more": "many"}],
)
def test_an_answer_that_is_none_is_an_error_that_is_told(answer: dict[str, object]) -> None:
    with pytest.raises((ValueError, TypeError, KeyError)):
        failing_names([answer], Resolution(), None)
