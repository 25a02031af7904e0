"""DNS over UDP: the engine drains the socket; messages that it gives back are answered when an upstream has."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Collection, Iterable
from functools import partial

from blockd.resolver import Deferred, Resolver

READS_ON = 0.2  # seconds in which a socket that is steered around is read on: what was on its way has come by then


class UdpServer:
    """Server for a worker's bound UDP sockets in the running event loop."""

    takes_on = READS_ON

    def __init__(self, sockets: Iterable[socket.socket], resolver: Resolver) -> None:
        self._engine = resolver.engine
        self._resolver = resolver
        self._waiting: set[asyncio.Task[None]] = set()
        self._loop = asyncio.get_running_loop()
        self._descriptors = [self._engine.attach(sock) for sock in sockets]
        for descriptor in self._descriptors:
            self._loop.add_reader(descriptor, self._read, descriptor)

    def drain(self, but: Collection[int] = ()) -> None:
        """Read no more messages, but for those of some sockets, by descriptor, until `stop_taking`.

        What is left unread is for whoever has the sockets as well.
        """
        self.stop_taking(but)

    def stop_taking(self, but: Collection[int] = ()) -> None:
        """Read no more messages, but for those of some sockets."""
        for descriptor in self._descriptors:
            if descriptor not in but:
                self._loop.remove_reader(descriptor)
        self._descriptors = [one for one in self._descriptors if one in but]

    def look(self) -> None:
        """Do nothing."""

    def end_when_answered(self) -> None:
        """Do nothing: there are no connections."""

    @property
    def is_drained(self) -> bool:
        """Whether it reads no more messages, and all that were read are answered."""
        return not self._descriptors and not self._waiting and not self._resolver.is_busy

    async def close(self) -> None:
        """Read no more messages, and answer those that wait."""
        self.stop_taking()
        if self._waiting:
            await asyncio.wait(self._waiting)

    def answer_later(self, given_back: Iterable[Deferred]) -> None:
        """Answer the messages that the engine gave back, as upstreams answer, or at once if too many wait."""
        for deferred in given_back:
            task = self._resolver.answer_later(deferred.context, partial(self._send, deferred))
            if task is not None:
                self._waiting.add(task)
                task.add_done_callback(self._waiting.discard)

    def _read(self, descriptor: int) -> None:
        given_back = self._engine.drain(descriptor)
        if given_back:
            self.answer_later(given_back)

    def _send(self, deferred: Deferred, answer: bytes | None) -> None:
        if answer is not None:
            self._engine.send(answer, deferred)
