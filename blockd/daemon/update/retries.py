"""Trying again after a fault of this machine, with a delay that doubles with each failure in a row."""

from __future__ import annotations

import asyncio

from blockd.daemon.timing import Timing

RETRY = 30.0  # seconds after which news that could not be compiled because of an error of blockd are tried again
MAX_RETRY = 3600.0  # seconds
_MAX_DOUBLINGS = 16


def retry_after(failures: int) -> float:
    """Return the seconds until the next attempt, after so many failures before the last one."""
    return min(RETRY * 2.0 ** min(failures, _MAX_DOUBLINGS), MAX_RETRY)


class Retries:
    """Sets `due` some time after each failure."""

    def __init__(self, due: asyncio.Event, timing: Timing) -> None:
        self._due = due
        self._timing = timing
        self._failures = 0  # in a row
        self._waiting: set[asyncio.Task[None]] = set()

    def failed(self) -> None:
        """Note a failure, and have it tried again later."""
        task = asyncio.create_task(self._wait(retry_after(self._failures)))
        self._waiting.add(task)
        task.add_done_callback(self._waiting.discard)
        self._failures += 1

    def succeeded(self) -> None:
        """Begin with the shortest delay again."""
        self._failures = 0

    def close(self) -> None:
        """Stop waiting."""
        for task in self._waiting:
            task.cancel()

    async def _wait(self, seconds: float) -> None:
        await self._timing.sleep(seconds)
        self._due.set()
