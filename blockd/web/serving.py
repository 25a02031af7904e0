"""Connections with a limited number and lifetime, for the block page, the refusal of TLS and the admin port."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import logging
import socket
from collections.abc import Awaitable, Callable, Sequence
from typing import cast

from aiohttp import HttpVersion11, hdrs, web
from aiohttp.http_exceptions import BadHttpMessage, LineTooLong
from aiohttp.http_parser import RawRequestMessage

MAX_CONNECTIONS = 1000  # open at once in one process; above that the oldest is closed, which in a flood is an idle one
MAX_LIFETIME = 60.0  # seconds for one request and its answer; a page takes milliseconds, a slow phone some seconds
MAX_LINGER = 2.0  # seconds in which an unwanted request body is discarded, so that the client can read the answer
MAX_ADMIN_CONNECTIONS = 50  # a scraper, a browser and a command line
MAX_ADMIN_LIFETIME = 600.0  # seconds: a refresh fetches every feed before it answers
SHUTDOWN = 1.0  # seconds for pending answers when the server closes
BACKLOG = 256  # connections that the kernel holds until they are accepted

_log = logging.getLogger(__name__)


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
        """Accept no more connections, wait `SHUTDOWN` seconds for pending answers, end the rest."""
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


async def serve_admin(app: web.Application, sockets: Sequence[socket.socket]) -> Serving:
    """Serve the admin port on bound sockets: few connections, and enough time for a refresh.

    Nothing is logged about clients.
    """
    runner = web.AppRunner(app, handle_signals=False, access_log=None, shutdown_timeout=SHUTDOWN)
    await runner.setup()
    manager = cast(web.Server, runner.server)  # created by setup
    loop = asyncio.get_running_loop()

    def make() -> asyncio.Protocol:
        return _Connection(
            manager,
            loop=loop,
            logger=_log,
            access_log=None,  # then aiohttp writes no access log
            lingering_time=MAX_LINGER,
            auto_decompress=False,
        )

    return await serve(make, sockets, OpenConnections(MAX_ADMIN_CONNECTIONS, MAX_ADMIN_LIFETIME), runner.cleanup)


class _Connection(web.RequestHandler):
    """aiohttp's connection, which logs no address, answers in HTTP/1, and does not reveal the software if it fails."""

    __slots__ = ()

    def __init__(self, *given: object, **named: object) -> None:
        super().__init__(*given, **named)  # type: ignore[arg-type]
        made = cast(Callable[..., web.BaseRequest], self._request_factory)  # which the base has set

        def request(message: RawRequestMessage, *rest: object) -> web.BaseRequest:
            if message.version > HttpVersion11:  # that of the answer would be the same
                message = message._replace(version=HttpVersion11)
            return made(message, *rest)

        self._request_factory = request

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer a request that cannot be parsed, or whose handler failed."""
        if status >= 500:
            _log.error("A request could not be answered.", exc_info=exc)
        if request.writer.output_size > 0:
            raise ConnectionError("an answer was in progress")
        status, sentence = _told(status, exc)
        body = json.dumps({"error": sentence}, ensure_ascii=False) + "\n"
        headers = {hdrs.SERVER: "blockd", hdrs.CACHE_CONTROL: "no-store"}
        response = web.Response(status=status, text=body, content_type="application/json", headers=headers)
        response.force_close()
        return response


def _told(status: int, error: BaseException | None) -> tuple[int, str]:
    """Return the status and the sentence for a request that cannot be parsed, or whose handler failed."""
    if status >= 500:
        return status, "blockd failed to answer; see its log. What is enforced has not changed."
    if isinstance(error, LineTooLong):
        return 431, "The request's first line or one of its header fields is too long."
    if isinstance(error, BadHttpMessage) and "too many" in str(error).lower():
        return 431, "The request has too many header fields."
    return status, "The request cannot be read as HTTP/1.1."


def client_of(transport: asyncio.Transport) -> bytes:
    """Return the client's address in network order, empty if it is not known."""
    peer = transport.get_extra_info("peername")
    try:
        return ipaddress.ip_address(peer[0].partition("%")[0]).packed
    except (TypeError, ValueError, IndexError):
        return b""
