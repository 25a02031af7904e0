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
        heard(workers, {"died": True, "worker": 2})
        return await waiting

    assert asyncio.run(run()) == ""


def test_workers_that_are_late_are_named() -> None:
    async def run() -> str:
        workers = Workers(2, {0: 10, 1: 11}, {0: 6})
        time = ManualTime()
        waiting = asyncio.create_task(workers.wait_for(7, 5.0, time.timing))
        await time.advance(4.9)
        assert not waiting.done()
        await time.advance(0.1)
        return await waiting

    assert "workers [0, 1] did not take version 7" in asyncio.run(run())


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
    heard(workers, {"died": True, "worker": 0})
    assert (workers.missing(), workers.behind(7)) == ([0], [0])
    heard(workers, {"worker": 0, "pid": 20, "enforcing": 7})
    assert (workers.missing(), workers.behind(7)) == ([], [])


def test_worker_that_ends_at_once_again_and_again_is_told_with_the_reason() -> None:
    workers = Workers(2, {0: 10, 1: 11})
    heard(workers, {"worker": 1, "pid": 11, "died": True, "how": "exit code 1", "row": 1, "delay": 0.0})
    assert workers.trouble() == "workers [1] are not running; they are being started again"
    heard(workers, {"worker": 1, "pid": 12, "died": True, "how": "exit code 1", "row": 7, "delay": 3.2})
    assert workers.trouble() == (
        "workers [1] are not running; they are being started again; "
        "worker 1 has ended 7 times at once (exit code 1), and is started in 3 s"
    )
    heard(workers, {"worker": 1, "pid": 13, "enforcing": 7})
    assert workers.trouble() == ""


def test_worker_that_answers_again_is_no_trouble() -> None:
    workers = Workers(1, {0: 10})
    heard(workers, {"worker": 0, "pid": 10, "silent": True})
    assert "worker 0 (process 10) does not answer" in workers.trouble()
    heard(workers, {"worker": 0, "pid": 10, "silent": False})
    assert workers.trouble() == ""
