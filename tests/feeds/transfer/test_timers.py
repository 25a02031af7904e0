from __future__ import annotations

import pytest

from blockd.feeds.transfer.timers import MAX_EXPIRE, MAX_REFRESH, MAX_RETRY, MIN_EXPIRE, Timers


def timers(refresh: int, retry: int, expire: int, floor: float = 30) -> Timers:
    return Timers.of(f"rpz.example. 60 IN SOA . . 7 {refresh} {retry} {expire} 900".encode(), floor)


def test_timers_are_those_of_the_soa() -> None:
    assert timers(120, 60, 2_592_000) == Timers(120, 60, 2_592_000)


def test_timers_that_ask_too_often_or_end_too_soon_are_raised() -> None:
    assert timers(0, 1, 60) == Timers(30, 30, MIN_EXPIRE)


def test_timers_that_ask_too_seldom_or_last_too_long_are_lowered() -> None:
    assert timers(2**32 - 1, 2**32 - 1, 2**32 - 1) == Timers(MAX_REFRESH, MAX_RETRY, MAX_EXPIRE)


def test_failures_in_a_row_are_tried_again_later_and_later() -> None:
    found = timers(120, 60, 2_592_000)
    assert [found.after_failures(count) for count in (1, 2, 3, 100)] == pytest.approx([60, 120, 240, MAX_RETRY])
