"""DNS over TCP (RFC 7766): two octets of length before each message; each answer is sent once it is ready."""

from __future__ import annotations

import asyncio
import socket
from typing import cast

from blockd.metrics import Transport
from blockd.resolver import Outcome, Resolver

MAX_CONNECTIONS = 500  # per worker; one more is closed at once
MAX_CONNECTIONS_PER_CLIENT = 50  # so that no single client takes all
MAX_PIPELINED = 100  # waiting questions of one connection; above that, reading pauses until one is answered
IDLE = 10.0  # seconds without a complete message, RFC 7766 section 6.2.3
BURST = 64  # messages of one connection handled at once, so that others get their turn
MAX_UNSENT = 1 << 20  # octets of answers that a client may leave unread before its connection is aborted


class TcpServer:
    """Server for one listening socket. A client's connections are counted while they last; nothing else is kept."""

    def __init__(self, resolver: Resolver, transport: Transport = Transport.TCP, idle: float = IDLE) -> None:
        self.resolver = resolver
        self.transport = transport
        self.idle = idle
        self.connections: set[_Connection] = set()
        self.per_client: dict[str, int] = {}
        self._server: asyncio.Server | None = None

    async def start(self, sock: socket.socket) -> None:
        """Accept connections from a bound socket."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Connection(self), sock=sock, backlog=1024)

    async def close(self) -> None:
        """Accept no more connections and end those that are open."""
        if self._server is not None:
            self._server.close()
        for connection in list(self.connections):
            connection.end()


class _Connection(asyncio.Protocol):
    def __init__(self, server: TcpServer) -> None:
        self._server = server
        self._host = ""
        self._buffer = bytearray()
        self._waiting: set[asyncio.Task[None]] = set()
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._ended = False
        self._half_closed = False
        self._paused = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        server = self._server
        self._transport = cast(asyncio.Transport, transport)  # uvloop's transports do not inherit from it
        peer = transport.get_extra_info("peername")
        host = peer[0] if peer else ""  # a client that has already disconnected has no address
        full = (
            len(server.connections) >= MAX_CONNECTIONS or server.per_client.get(host, 0) >= MAX_CONNECTIONS_PER_CLIENT
        )
        if full or not host:
            self._ended = True
            self._transport.abort()
            return
        self._host = host
        server.connections.add(self)
        server.per_client[host] = server.per_client.get(host, 0) + 1
        self._rest()

    def connection_lost(self, _error: Exception | None) -> None:
        self._ended = True
        if self._timer:
            self._timer.cancel()
        if self in self._server.connections:
            self._server.connections.remove(self)
            left = self._server.per_client[self._host] - 1
            if left:
                self._server.per_client[self._host] = left
            else:
                del self._server.per_client[self._host]

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        self._take_messages()

    def eof_received(self) -> bool:
        """Keep our half open while answers are pending."""
        self._half_closed = True
        if not self._waiting:
            self.end()
        return True

    def end(self) -> None:
        """Close the connection once all output is sent; abort it if the client does not read that within `idle`."""
        self._ended = True
        if self._timer:
            self._timer.cancel()
        if self._transport:
            self._timer = asyncio.get_running_loop().call_later(self._server.idle, self._transport.abort)
            self._transport.close()

    def _take_messages(self) -> None:
        buffer = self._buffer
        for _ in range(BURST):
            size = buffer[0] << 8 | buffer[1] if len(buffer) >= 2 else 0
            if len(buffer) < 2 + size or self._ended:
                return
            if len(self._waiting) >= MAX_PIPELINED:
                self._pause()
                return
            message = bytes(buffer[2 : 2 + size])
            del buffer[: 2 + size]
            self._rest()
            self._take(message)
        self._pause()
        asyncio.get_running_loop().call_soon(self._go_on)

    def _pause(self) -> None:
        self._paused = True
        if self._transport and not self._ended:
            self._transport.pause_reading()

    def _go_on(self) -> None:
        """Handle the messages left in the buffer, then read on."""
        if self._paused and not self._ended:
            self._paused = False
            self._take_messages()
            if not self._paused and self._transport and not self._ended:
                self._transport.resume_reading()

    def _take(self, message: bytes) -> None:
        """Answer at once if nothing must be waited for, so that a burst costs no tasks."""
        begun = self._server.resolver.begin(message, self._host, self._server.transport, self._server.idle)
        if isinstance(begun, bytes):
            self._write(begun)
        elif not isinstance(begun, Outcome):
            task = self._server.resolver.answer_later(begun, self._deliver)
            if task is not None:
                self._waiting.add(task)
                task.add_done_callback(self._finished)

    def _deliver(self, answer: bytes | None) -> None:
        if answer is not None and not self._ended:
            self._write(answer)

    def _finished(self, task: asyncio.Task[None]) -> None:
        """Resume what was waiting for a question to be answered: reading, or closing."""
        self._waiting.discard(task)
        self._go_on()
        if self._half_closed and not self._waiting and not self._ended:
            self.end()

    def _write(self, answer: bytes) -> None:
        transport = self._transport
        if transport is None:
            return
        transport.write(len(answer).to_bytes(2) + answer)
        if transport.get_write_buffer_size() > MAX_UNSENT:
            self._ended = True
            transport.abort()

    def _rest(self) -> None:
        """Restart the idle timer, which ends the connection unless a question is still pending."""
        if self._timer:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(self._server.idle, self._tire)

    def _tire(self) -> None:
        if self._waiting:
            self._rest()
        else:
            self.end()
