"""What stays is set apart from Python's collector once for each version, and seldom."""

from __future__ import annotations

import asyncio
import contextlib
import gc
from collections.abc import Iterator

import pytest

from blockd.daemon.processes.background import LOOK, SELDOM, set_apart
from tests.daemon.parts import ManualTime


@pytest.fixture(autouse=True)
def _thawed() -> Iterator[None]:
    yield
    gc.unfreeze()


def test_what_stays_is_set_apart_once_for_each_version_and_seldom() -> None:
    version: list[int | None] = [None]

    async def check() -> None:
        time = ManualTime()
        task = asyncio.create_task(set_apart(lambda: version[0], time.timing))
        try:
            before = gc.get_freeze_count()
            await time.advance(2 * LOOK)
            assert gc.get_freeze_count() <= before, "nothing is enforced yet"
            version[0], orders = 1, [[number] for number in range(50_000)]
            await time.advance(LOOK)
            first = gc.get_freeze_count()
            assert first >= before + len(orders)
            version[0], more = 2, [[number] for number in range(50_000)]
            await time.advance(SELDOM - LOOK - 1)
            assert gc.get_freeze_count() <= first, "it is done seldom"
            await time.advance(LOOK + 1)
            assert gc.get_freeze_count() >= first + len(more) // 2
            del orders, more
            assert gc.get_freeze_count() < first, "what goes needs no collector"
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    asyncio.run(check())
