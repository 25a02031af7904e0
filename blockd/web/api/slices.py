"""Long answers, made a slice at a time: between two slices the event loop does what else there is to do."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable

SLICE = 0.01  # seconds of the event loop's time at once: what orders and probes of health wait for
PARTS = 16  # that are made before the clock is looked at


async def in_slices(parts: Iterable[str]) -> bytes:
    """Return parts of a text together, as UTF-8; each is made when it is its turn, in no more than SLICE itself."""
    made: list[str] = []
    end = time.monotonic() + SLICE
    for part in parts:
        made.append(part)
        if len(made) % PARTS == 0 and time.monotonic() >= end:
            await asyncio.sleep(0)
            end = time.monotonic() + SLICE
    return "".join(made).encode()
