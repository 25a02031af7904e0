"""What the control process does beside its work, for as long as it runs, and how it ends that."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Sequence

from blockd.daemon.timing import Timing
from blockd.metrics import Traffic
from blockd.metrics.traffic import HALF_LIFE

LOOK = 30.0  # seconds between two looks whether another version is enforced
SELDOM = 600.0  # seconds from one time that objects are set apart to the next


async def forget_traffic(traffic: Traffic, timing: Timing) -> None:
    """Halve what is known of recent traffic, for ever."""
    while True:
        await timing.sleep(HALF_LIFE)
        traffic.halve()


async def set_apart(version: Callable[[], int | None], timing: Timing) -> None:
    """Have Python's collector leave alone what stays, whenever another version is enforced, for ever.

    `version` returns the one that is. A full collection looks at up to a million objects, in the event loop, and takes
    0.15 seconds for ten thousand orders; a few large answers bring one about. Objects of a version that is no longer
    enforced go without the collector, since they are in no cycles. It is done seldom: what is in a cycle, and is
    garbage only after it was set apart, is never collected.
    """
    known = None
    while True:
        await timing.sleep(LOOK)
        now = version()
        if now is not None and now != known:
            known = now
            gc.collect()  # what is garbage now would stay
            gc.freeze()
            await timing.sleep(SELDOM - LOOK)


async def end(tasks: Sequence[asyncio.Task[None]]) -> None:
    """Cancel tasks, and wait until they have ended."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
