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

ANYBODY, ANOTHER = bytes((192, 0, 2, 1)), bytes((198, 51, 100, 1))


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
            async with turns.turn(ANYBODY):
                time.now += 0.02
            time.now += 1.0

    assert run(check).slept == 0


def test_a_flood_has_its_share_of_the_time() -> None:
    async def check(time: Time) -> None:
        turns = CostlyTurns(time.clock, time.sleep)
        for _ in range(500):
            async with turns.turn(ANYBODY):
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
            async with turns.turn(ANYBODY):
                await go_on.wait()
                served.append(number)

        tasks = [asyncio.create_task(request(number)) for number in range(MAX_WAITING + 4)]
        await asyncio.sleep(0)
        go_on.set()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
        assert [type(end) for end in ended] == [type(None)] * (MAX_WAITING + 1) + [TooManyRequests] * 3
        assert served == list(range(MAX_WAITING + 1))

    run(check)


def test_a_handler_that_fails_or_is_cancelled_leaves_its_turn() -> None:
    async def check(time: Time) -> None:
        turns = CostlyTurns(time.clock, time.sleep)
        for _ in range(2 * MAX_WAITING):
            with pytest.raises(ValueError, match="broken"):
                async with turns.turn(ANYBODY):
                    raise ValueError("broken")
        async with turns.turn(ANYBODY):
            pass

    run(check)


def test_requests_of_any_kind_keep_a_pace_once_many_came_at_once() -> None:
    async def check(time: Time) -> None:
        pace = RequestPace(time.clock, time.sleep)
        for _ in range(BURST_OF_REQUESTS):
            await pace.keep(lambda: False)
        assert time.slept == pytest.approx(0)
        for _ in range(10 * PER_SECOND):
            await pace.keep(lambda: False)

    assert run(check).slept == pytest.approx(10.0, abs=0.1)


def test_those_whose_client_has_gone_hold_nobody_up() -> None:
    async def check(time: Time) -> None:
        pace = RequestPace(time.clock, time.sleep)
        for _ in range(50 * PER_SECOND):
            assert not await pace.keep(lambda: True)
        assert await pace.keep(lambda: False)

    assert run(check).slept == 0


def test_another_client_comes_next_and_is_never_refused_for_one_that_asks_without_end() -> None:
    async def check(time: Time) -> None:
        turns = CostlyTurns(time.clock, time.sleep)
        served: list[bytes] = []
        go_on = asyncio.Event()

        async def request(client: bytes) -> None:
            async with turns.turn(client):
                await go_on.wait()
                served.append(client)

        clients = [ANYBODY] * (MAX_WAITING + 10) + [ANOTHER]
        tasks = [asyncio.create_task(request(client)) for client in clients]
        await asyncio.sleep(0)
        go_on.set()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
        assert ended[-1] is None
        assert served[1] == ANOTHER
        assert [type(end) for end in ended].count(TooManyRequests) == 10

    run(check)
