"""What the control process does beside its work, for as long as it runs, and how it ends that."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from blockd.daemon.timing import Timing
from blockd.metrics import Traffic
from blockd.metrics.traffic import HALF_LIFE


async def forget_traffic(traffic: Traffic, timing: Timing) -> None:
    """Halve what is known of recent traffic, for ever."""
    while True:
        await timing.sleep(HALF_LIFE)
        traffic.halve()


async def end(tasks: Sequence[asyncio.Task[None]]) -> None:
    """Cancel tasks, and wait until they have ended."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
