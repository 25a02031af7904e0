"""A TCP server on loopback and the clients that a test connects to it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Sequence

import dns.message
import dns.rcode

from blockd.tls import ServerTls
from blockd.transports import TcpServer
from blockd.transports.accepting import BACKLOG
from blockd.transports.admitting_server import PACE
from blockd.transports.connections import Bounds
from blockd.transports.descriptors import BOUNDS
from blockd.transports.pace import PaceBounds
from blockd.transports.stream_server import StreamServer
from blockd.transports.tcp_connection import TcpConnection
from tests.resolver.rig import Rig, question
from tests.transports.loops import until

LISTED = "web.telegram.org"
NEVER = 3600.0  # seconds: the idle time of tests about something else


class Client:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def send(self, *queries: dns.message.Message) -> None:
        """Send questions in one piece."""
        self.writer.write(b"".join(framed(query.to_wire()) for query in queries))

    async def receive(self) -> dns.message.Message:
        """Return the next answer; raises EOFError if the connection ends."""
        size = int.from_bytes(await self.reader.readexactly(2))
        return dns.message.from_wire(await self.reader.readexactly(size))

    async def ended(self) -> bool:
        """Wait for the end of the connection, and return whether it came without another answer."""
        with contextlib.suppress(ConnectionError):
            return not await self.reader.read(1)
        return True


class Serving:
    """A server, and the clients that a test connects to it."""

    def __init__(self, server: StreamServer, address: tuple[str, int]) -> None:
        self.server = server
        self.address = address
        self._clients: list[Client] = []

    async def connect(self, host: str = "127.0.0.1", context: ssl.SSLContext | None = None, name: str = "") -> Client:
        """Connect one more client, from an address of its own; over TLS if there is a context, to a server's name."""
        connecting = asyncio.open_connection(
            *self.address, local_addr=(host, 0), ssl=context, server_hostname=name if context else None
        )
        client = Client(*await connecting)
        self._clients.append(client)
        return client

    def leave(self) -> None:
        """End every client's connection at once."""
        for client in self._clients:
            client.writer.transport.abort()


@contextlib.asynccontextmanager
async def serving(
    rig: Rig,
    idle: float = NEVER,
    bounds: Bounds = BOUNDS,
    host: str = "127.0.0.1",
    pace: PaceBounds = PACE,
    kind: Callable[..., StreamServer] = TcpServer,
    tls: ServerTls | None = None,
) -> AsyncIterator[Serving]:
    """Serve on loopback; at the end nothing of any connection may be left."""
    with socket.create_server((host, 0), backlog=BACKLOG) as sock:
        server = kind(rig.resolver, idle=idle, bounds=bounds, row=rig.row, pace=pace, tls=tls)
        server.start(sock)
        rig.resolver.ask_upstreams(lambda _: None)
        made = Serving(server, sock.getsockname())
        try:
            yield made
        finally:
            made.leave()
            server.close()
            await until(lambda: not server.connections)
            assert not server.connections._groups
            assert not server.unread.members
            assert not server.half_open.members
            rig.resolver.close()


def framed(octets: bytes) -> bytes:
    return len(octets).to_bytes(2) + octets


def numbered(names: Sequence[str]) -> list[dns.message.Message]:
    """Return questions with ascending IDs."""
    queries = [question(name) for name in names]
    for number, query in enumerate(queries):
        query.id = number
    return queries


async def connections(served: Serving, count: int) -> list[TcpConnection]:
    """Wait until the server has that many connections, and return them."""
    await until(lambda: len(served.server.connections) == count)
    return [one for one in served.server.connections if isinstance(one, TcpConnection)]
