"""Waiting for an event or for the time to be over."""

from __future__ import annotations

import asyncio

from blockd.daemon.timing import Timing
from tests.daemon.parts import ManualTime


def test_wait_ends_with_the_event_or_when_the_time_is_over() -> None:
    async def check() -> None:
        time, event = ManualTime(), asyncio.Event()
        waiting = asyncio.create_task(time.timing.wait(event, 10.0))
        await time.advance(9.9)
        assert not waiting.done()
        await time.advance(0.1)
        assert await waiting is False
        waiting = asyncio.create_task(time.timing.wait(event, 10.0))
        await time.settle()
        event.set()
        assert await waiting is True
        assert await time.timing.wait(event, 10.0) is True, "it is set already"

    asyncio.run(check())


def test_all_who_wait_for_an_event_are_told_of_it_though_the_first_clears_it() -> None:
    async def check() -> None:
        time, event = ManualTime(), asyncio.Event()

        async def wait() -> bool:
            was_set = await time.timing.wait(event, 10.0)
            event.clear()
            return was_set

        waiting = [asyncio.create_task(wait()) for _ in range(3)]
        await time.settle()
        event.set()
        assert await asyncio.gather(*waiting) == [True, True, True]

    asyncio.run(check())


def test_nothing_is_left_behind_when_a_wait_is_cancelled() -> None:
    async def check() -> None:
        waiting = asyncio.create_task(Timing().wait(asyncio.Event(), 3600.0))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        await asyncio.sleep(0)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(check())
