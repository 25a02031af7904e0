"""DNS over UDP: the engine drains the socket, what it gives back is answered when its upstream has spoken."""

from __future__ import annotations

import asyncio
import socket

from blockd.resolver import Declined, Engine, Pipeline

MAX_WAITING = 10_000  # messages of one socket that wait for upstreams; one more is dropped, and its client asks again


class UdpServer:
    """Serves one bound UDP socket in the running event loop."""

    def __init__(self, sock: socket.socket, engine: Engine, pipeline: Pipeline) -> None:
        self._engine = engine
        self._pipeline = pipeline
        self._waiting: set[asyncio.Task[None]] = set()
        self._loop = asyncio.get_running_loop()
        self._descriptor = engine.attach(sock)
        self._loop.add_reader(self._descriptor, self._read)

    async def close(self) -> None:
        """Take no more messages, and answer those that wait."""
        self._loop.remove_reader(self._descriptor)
        if self._waiting:
            await asyncio.wait(self._waiting)

    def _read(self) -> None:
        for declined in self._engine.drain(self._descriptor):
            if len(self._waiting) < MAX_WAITING:
                task = self._loop.create_task(self._answer(declined))
                self._waiting.add(task)
                task.add_done_callback(self._waiting.discard)

    async def _answer(self, declined: Declined) -> None:
        answer = await self._pipeline.finish(declined.exchange)
        if answer is not None:
            self._engine.send(self._descriptor, answer, declined)
