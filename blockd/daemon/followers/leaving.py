"""A process that makes room for its successor: on `{"drain": true}` it ends what it serves, and then itself."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence

from blockd.daemon.channel import Message
from blockd.transports.listening.draining import MOST, Draining, drain

log = logging.getLogger(__name__)


class Leaving:
    """Drains servers of the running event loop once; `done` is called when they owe nothing more."""

    def __init__(self, servers: Sequence[Draining], done: Callable[[], None]) -> None:
        self._servers = servers
        self._done = done
        self._task: asyncio.Task[None] | None = None

    def begin(self, message: Message) -> None:
        """Begin, as a message `{"drain": true}` asks; sockets under `empty`, by descriptor, are read empty."""
        if self._task is None:
            self._task = asyncio.create_task(self._drain(frozenset(message.get("empty", ()))))

    def stop(self) -> None:
        """Wait no longer."""
        if self._task is not None:
            self._task.cancel()

    async def _drain(self, empty: frozenset[int]) -> None:
        if not await drain(self._servers, empty):
            log.warning("Some clients were not done in %.0f seconds; their connections are closed.", MOST)
        self._done()
