"""Trying again after a fault of this machine, with a delay that doubles with each failure in a row."""

from __future__ import annotations

import asyncio

from blockd.daemon.timing import Timing

RETRY = 30.0  # seconds after which news that could not be compiled because of an error of blockd are tried again
MAX_RETRY = 3600.0  # seconds
_MAX_DOUBLINGS = 16


class Retries:
    """Sets `due` some time after each failure."""

    def __init__(self, due: asyncio.Event, timing: Timing) -> None:
        self._due = due
        self._timing = timing
        self._failures = 0  # in a row
        self._waiting: set[asyncio.Task[None]] = set()

    def failed(self) -> None:
        """Note a failure, and have it tried again later."""
        task = asyncio.create_task(self._wait(min(RETRY * 2**self._failures, MAX_RETRY)))
        self._waiting.add(task)
        task.add_done_callback(self._waiting.discard)
        self._failures = min(self._failures + 1, _MAX_DOUBLINGS)

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
