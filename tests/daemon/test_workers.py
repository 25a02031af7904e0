from __future__ import annotations

import asyncio

from blockd.daemon.workers import Workers
from tests.daemon.parts import ManualTime


def heard(workers: Workers, *messages: dict[str, object]) -> None:
    """Let the workers hear messages of the supervisor."""
    for message in messages:
        workers.heard(message)


def test_every_worker_that_lives_is_waited_for() -> None:
    async def run() -> str:
        workers = Workers(3, {0: 10, 1: 11, 2: 12})
        waiting = asyncio.create_task(workers.wait_for(7, 5.0, ManualTime().timing))
        await asyncio.sleep(0)
        heard(workers, {"worker": 0, "pid": 10, "enforcing": 7}, {"worker": 1, "pid": 11, "enforcing": 7})
        await asyncio.sleep(0)
        assert not waiting.done()
        heard(workers, {"died": 2})
        return await waiting

    assert asyncio.run(run()) == ""


def test_workers_that_are_late_are_named() -> None:
    async def run() -> str:
        workers = Workers(2, {0: 10, 1: 11}, {0: 7})
        time = ManualTime()
        waiting = asyncio.create_task(workers.wait_for(7, 5.0, time.timing))
        await time.advance(4.9)
        assert not waiting.done()
        await time.advance(0.1)
        return await waiting

    assert "workers [1] did not take version 7" in asyncio.run(run())


def test_worker_that_cannot_enforce_a_version_says_why() -> None:
    async def run() -> str:
        workers = Workers(1, {0: 10})
        waiting = asyncio.create_task(workers.wait_for(7, 5.0, ManualTime().timing))
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
