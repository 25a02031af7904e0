"""Simulated upstreams over TCP and TLS, which answer as a test says and keep count of connections."""

from __future__ import annotations

import asyncio
import ssl
import struct
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Generic, Self, TypeVar, cast

from blockd.dns import types
from tests.resolver.streams.happenings import Happenings

_OPT = struct.pack(">BHHIH", 0, types.OPT, 1232, 0, 0)


def question(identifier: int, name: str = "www.example", *, edns: bool = True) -> bytes:
    """Return a question for the address of a name."""
    labels = b"".join(bytes((len(label),)) + label.encode() for label in name.split("."))
    header = struct.pack(">6H", identifier, types.RD, 1, 0, 0, int(edns))
    return header + labels + struct.pack(">BHH", 0, types.A, types.CLASS_IN) + (_OPT if edns else b"")


def answer(message: bytes) -> bytes:
    """Return the simplest answer to a question: the question, with QR set."""
    return message[:2] + bytes((message[2] | 0x80,)) + message[3:]


def framed(message: bytes) -> bytes:
    """Return a message with its length in front."""
    return len(message).to_bytes(2) + message


class Connection(asyncio.Protocol):
    """One connection to a simulated upstream."""

    def __init__(self, happenings: Happenings) -> None:
        self.happenings = happenings
        self.is_over = False
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def connection_lost(self, _error: Exception | None) -> None:
        self.is_over = True
        self.happenings.note()


Kept = TypeVar("Kept", bound=Connection)


class ConnectionServer(ABC, Generic[Kept]):
    """A simulated upstream that keeps its connections; `greet` is what it does with a new one."""

    def __init__(self, happenings: Happenings) -> None:
        self.happenings = happenings
        self.visits: list[Kept] = []
        self.messages: list[bytes] = []
        self.most_at_once = 0
        self.greet: Callable[[Kept], None] = lambda _visit: None
        self.port = 0

    @abstractmethod
    def connection(self) -> Kept:
        """Return what serves a new connection."""

    @property
    def open(self) -> int:
        """How many connections are open."""
        return sum(not visit.is_over for visit in self.visits)

    def arrived(self, visit: Kept) -> None:
        self.visits.append(visit)
        self.most_at_once = max(self.most_at_once, self.open)
        self.greet(visit)
        self.happenings.note()

    @asynccontextmanager
    async def serving(self, context: ssl.SSLContext | None = None, port: int = 0) -> AsyncIterator[Self]:
        """Serve on loopback inside the block."""
        loop = asyncio.get_running_loop()
        server = await loop.create_server(self.connection, "127.0.0.1", port, ssl=context, reuse_port=False)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for visit in self.visits:
                visit.transport.abort()
            await self.happenings.until(lambda: self.open == 0)


class Visit(Connection):
    """One connection to a simulated upstream over TCP or TLS."""

    def __init__(self, server: StreamServer) -> None:
        super().__init__(server.happenings)
        self.server = server
        self.messages: list[bytes] = []
        self.resumed = False
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        tls = transport.get_extra_info("ssl_object")
        self.resumed = bool(tls and tls.session_reused)
        self.server.arrived(self)

    def data_received(self, data: bytes) -> None:
        self._received += data
        while len(self._received) >= 2 and len(self._received) >= (end := 2 + int.from_bytes(self._received[:2])):
            message, self._received = self._received[2:end], self._received[end:]
            self.messages.append(message)
            self.server.messages.append(message)
            self.server.respond(self, message)
            self.happenings.note()

    def say(self, *messages: bytes) -> None:
        """Send messages."""
        self.transport.write(b"".join(map(framed, messages)))


class StreamServer(ConnectionServer[Visit]):
    """A simulated upstream over TCP or TLS; `respond` is what it does with each question."""

    def __init__(self, happenings: Happenings) -> None:
        super().__init__(happenings)
        self.respond: Callable[[Visit, bytes], None] = lambda visit, message: visit.say(answer(message))

    def connection(self) -> Visit:
        return Visit(self)
