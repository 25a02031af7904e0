from __future__ import annotations

import asyncio

from blockd.daemon.timing import Timing
from blockd.daemon.workers import Workers


def heard(workers: Workers, *messages: dict[str, object]) -> None:
    """Let the workers hear messages of the supervisor."""
    for message in messages:
        workers.heard(message)


def test_fleet_waits_for_every_worker_that_lives() -> None:
    async def run() -> str:
        workers = Workers(3, {0: 10, 1: 11, 2: 12})
        waiting = asyncio.create_task(workers.wait_for(7, 5.0, Timing()))
        await asyncio.sleep(0)
        heard(workers, {"worker": 0, "pid": 10, "enforcing": 7}, {"worker": 1, "pid": 11, "enforcing": 7})
        await asyncio.sleep(0)
        assert not waiting.done()
        heard(workers, {"died": 2})
        return await waiting

    assert asyncio.run(run()) == ""


def test_fleet_tells_which_workers_are_late() -> None:
    async def run() -> str:
        workers = Workers(2, {0: 10, 1: 11}, {0: 7})
        return await workers.wait_for(7, 0.01, Timing())

    assert "workers [1] did not take version 7" in asyncio.run(run())


def test_fleet_tells_why_a_worker_could_not() -> None:
    async def run() -> str:
        workers = Workers(1, {0: 10})
        waiting = asyncio.create_task(workers.wait_for(7, 5.0, Timing()))
        await asyncio.sleep(0)
        heard(workers, {"worker": 0, "pid": 10, "failed": 7, "why": "its file is gone"})
        return await waiting

    assert asyncio.run(run()) == "worker 0 cannot enforce version 7: its file is gone"


def test_worker_that_died_is_missing_until_it_is_heard_again() -> None:
    workers = Workers(1, {0: 10}, {0: 7})
    assert (workers.missing(), workers.behind(7)) == ([], [])
    heard(workers, {"died": 0})
    assert (workers.missing(), workers.behind(7)) == ([0], [0])
    heard(workers, {"worker": 0, "pid": 20, "enforcing": 7})
    assert (workers.missing(), workers.behind(7)) == ([], [])
