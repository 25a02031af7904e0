"""Requests to the admin port never take more than their share of the time from orders."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from blockd.web.bounds.costly import (
    BURST,
    BURST_OF_REQUESTS,
    MAX_WAITING,
    PER_SECOND,
    SHARE,
    CostlyTurns,
    RequestPace,
    TooManyRequests,
)


class Time:
    """A clock on which computing and sleeping take time, and nothing else does."""

    def __init__(self) -> None:
        self.now = 50.0
        self.slept = 0.0

    def clock(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.slept += seconds


def run(check: Callable[[Time], Awaitable[None]]) -> Time:
    time = Time()
    asyncio.run(check(time))  # type: ignore[arg-type]
    return time


def test_a_single_request_does_not_wait() -> None:
    async def check(time: Time) -> None:
        turns = CostlyTurns(time.clock, time.sleep)
        for _ in range(20):
            async with turns.turn():
                time.now += 0.02
            time.now += 1.0

    assert run(check).slept == 0


def test_a_flood_has_its_share_of_the_time() -> None:
    async def check(time: Time) -> None:
        turns = CostlyTurns(time.clock, time.sleep)
        for _ in range(500):
            async with turns.turn():
                time.now += 0.03

    time = run(check)
    computed = 500 * 0.03
    assert computed <= (computed + time.slept) * SHARE + BURST + 0.1


def test_those_that_are_too_many_are_refused_and_the_others_served_in_turn() -> None:
    async def check(time: Time) -> None:
        turns = CostlyTurns(time.clock, time.sleep)
        served: list[int] = []
        go_on = asyncio.Event()

        async def request(number: int) -> None:
            async with turns.turn():
                await go_on.wait()
                served.append(number)

        tasks = [asyncio.create_task(request(number)) for number in range(MAX_WAITING + 3)]
        await asyncio.sleep(0)
        go_on.set()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
        assert [type(end) for end in ended] == [type(None)] * MAX_WAITING + [TooManyRequests] * 3
        assert served == list(range(MAX_WAITING))

    run(check)


def test_a_handler_that_fails_or_is_cancelled_leaves_its_turn() -> None:
    async def check(time: Time) -> None:
        turns = CostlyTurns(time.clock, time.sleep)
        for _ in range(2 * MAX_WAITING):
            with pytest.raises(ValueError, match="broken"):
                async with turns.turn():
                    raise ValueError("broken")
        async with turns.turn():
            pass

    run(check)


def test_requests_of_any_kind_keep_a_pace_once_many_came_at_once() -> None:
    async def check(time: Time) -> None:
        pace = RequestPace(time.clock, time.sleep)
        for _ in range(BURST_OF_REQUESTS):
            await pace.keep()
        assert time.slept == pytest.approx(0)
        for _ in range(10 * PER_SECOND):
            await pace.keep()

    assert run(check).slept == pytest.approx(10.0, abs=0.1)
