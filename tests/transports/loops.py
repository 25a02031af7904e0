"""Running a test in an event loop: in asyncio's own, and in the one that workers use."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

Run = Callable[[Coroutine[Any, Any, None]], None]
Loops = Callable[[], asyncio.AbstractEventLoop]

PATIENCE = 60.0  # seconds after which a test that waits for a condition has failed


def runner(loops: Loops) -> Run:
    """Return a function that runs a coroutine to its end in a new loop."""

    def run(coroutine: Coroutine[Any, Any, None]) -> None:
        async def patiently() -> None:
            async with asyncio.timeout(PATIENCE):
                await coroutine

        with asyncio.Runner(loop_factory=loops) as made:
            made.run(patiently())

    return run


async def until(condition: Callable[[], bool]) -> None:
    """Let the loop turn until a condition holds; the test's patience bounds it."""
    while not condition():  # noqa: ASYNC110 - what is waited for has no event
        await asyncio.sleep(0)
