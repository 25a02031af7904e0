"""Connections with a limited number and lifetime, for the block page, the refusal of TLS and the admin port."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from typing import cast

MAX_CONNECTIONS = 1000  # open at once in one process; above that the oldest is closed, which in a flood is an idle one
MAX_LIFETIME = 60.0  # seconds for one request and its answer; a page takes milliseconds, a slow phone some seconds
MAX_LINGER = 2.0  # seconds in which an unwanted request body is discarded, so that the client can read the answer
BACKLOG = 256  # connections that the kernel holds until they are accepted


class OpenConnections:
    """The open connections of one server: at most `most` at once, each for at most `lifetime` seconds."""

    def __init__(self, most: int, lifetime: float) -> None:
        self.most = most
        self.lifetime = lifetime
        self._open: dict[BoundedConnection, None] = {}  # in order of arrival

    def __len__(self) -> int:
        return len(self._open)

    def enter(self, connection: BoundedConnection) -> None:
        """Add a connection; if that is one too many, the oldest is closed."""
        if len(self._open) >= self.most:
            oldest = next(iter(self._open))
            del self._open[oldest]
            oldest.abort()
        self._open[connection] = None

    def leave(self, connection: BoundedConnection) -> None:
        """Remove a connection that has ended."""
        self._open.pop(connection, None)

    def abort(self) -> None:
        """End every connection now."""
        for connection in tuple(self._open):
            connection.abort()


class BoundedConnection(asyncio.Protocol):
    """One connection: passes everything on to `inner`, and ends when its lifetime is over."""

    def __init__(self, connections: OpenConnections, inner: asyncio.Protocol) -> None:
        self._connections = connections
        self._inner = inner
        self._transport: asyncio.Transport | None = None
        self._end: asyncio.TimerHandle | None = None

    def abort(self) -> None:
        """End it now; unsent data is discarded."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start the lifetime."""
        self._transport = cast(asyncio.Transport, transport)
        self._end = asyncio.get_running_loop().call_later(self._connections.lifetime, self.abort)
        self._connections.enter(self)
        self._inner.connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the timer."""
        if self._end is not None:
            self._end.cancel()
        self._transport = None
        self._connections.leave(self)
        self._inner.connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Pass on."""
        self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        """Pass on."""
        return self._inner.eof_received()

    def pause_writing(self) -> None:
        """Pass on."""
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        """Pass on."""
        self._inner.resume_writing()


class Serving:
    """A running server; `close` ends it and its connections."""

    def __init__(
        self,
        servers: Sequence[asyncio.AbstractServer],
        connections: OpenConnections,
        finish: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self.connections = connections
        self._servers = servers
        self._finish = finish

    async def close(self) -> None:
        """Accept no more connections, let `finish` wait for pending answers, end the rest."""
        for server in self._servers:
            server.close()
        if self._finish is not None:
            await self._finish()
        self.connections.abort()
        for server in self._servers:
            await server.wait_closed()


async def serve(
    make: Callable[[], asyncio.Protocol],
    sockets: Sequence[socket.socket],
    connections: OpenConnections,
    finish: Callable[[], Awaitable[None]] | None = None,
) -> Serving:
    """Serve on bound sockets, listening or not; `make` returns the protocol of one connection."""
    loop = asyncio.get_running_loop()
    servers = [
        await loop.create_server(lambda: BoundedConnection(connections, make()), sock=bound, backlog=BACKLOG)
        for bound in sockets
    ]
    return Serving(servers, connections, finish)
