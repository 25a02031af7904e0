"""How the servers of a process that is to be replaced end: no question is lost that has come, or is on its way.

They take nothing more from their listening sockets, which the successor has as well; but sockets that the config no
longer has are read empty first. Connections that are quiet are ended, over HTTP/2 with a GOAWAY before, over HTTP/1.1
with the next answer; others when they become so, and after BUSY seconds as soon as what has come is answered.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Sequence
from typing import Protocol

BUSY = 3.0  # seconds after which connections are ended in between two questions that follow each other closely
MOST = 30.0  # seconds for all: what is left then is ended as it is
LOOK = 0.02  # seconds between two looks


class Draining(Protocol):
    """A server that can be drained."""

    @property
    def takes_on(self) -> float:
        """For how many seconds it takes from a socket that is to be read empty."""

    @property
    def is_drained(self) -> bool:
        """Whether it takes nothing more, and owes nobody anything."""

    def drain(self, but: Collection[int] = ()) -> None:
        """Take nothing more from listening sockets, but for some, by descriptor; end connections that are quiet."""

    def stop_taking(self) -> None:
        """Take nothing more from any listening socket."""

    def look(self) -> None:
        """Do what is done again and again until it is drained; called every LOOK seconds."""

    def end_when_answered(self) -> None:
        """End all connections once what has come is answered."""


async def drain(servers: Sequence[Draining], but: Collection[int], clock: Callable[[], float] = time.monotonic) -> bool:
    """Drain servers of the running event loop; the sockets `but` are read empty. Return whether all owe nothing now."""
    begun = clock()
    for server in servers:
        server.drain(but)
    taking = list(servers)
    is_told = False
    while not all(server.is_drained for server in servers):
        passed = clock() - begun
        for server in [one for one in taking if passed >= one.takes_on]:
            server.stop_taking()
            taking.remove(server)
        if passed >= BUSY and not is_told:
            is_told = True
            for server in servers:
                server.end_when_answered()
        if passed >= MOST:
            return False
        for server in servers:
            server.look()
        await asyncio.sleep(LOOK)
    return True
