"""The daemon's source of time, which tests can replace."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Timing:
    """Clocks and waiting; by default those of this machine."""

    clock: Callable[[], float] = time.time  # seconds since the epoch
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Coroutine[Any, Any, None]] = asyncio.sleep
    uniform: Callable[[float, float], float] = random.uniform  # only spreads load

    async def wait(self, event: asyncio.Event, seconds: float) -> bool:
        """Wait until `event` is set, for at most `seconds`; return whether it was, also if it was cleared since."""
        if event.is_set():
            return True
        waiting, sleeping = asyncio.create_task(event.wait()), asyncio.create_task(self.sleep(seconds))
        try:
            done, _ = await asyncio.wait((waiting, sleeping), return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
            sleeping.cancel()
        return waiting in done or event.is_set()
