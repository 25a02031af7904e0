"""A simulated upstream over HTTPS (HTTP/2), which answers as a test says, and floods if it is told to."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import cast

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, Event, RequestReceived, StreamEnded, StreamReset, WindowUpdated
from h2.exceptions import H2Error
from h2.settings import SettingCodes, Settings

from tests.resolver.streams.happenings import Happenings
from tests.resolver.streams.servers import answer

GOOD = ((":status", "200"), ("content-type", "application/dns-message"))


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """Return an HTTP/2 frame."""
    return len(payload).to_bytes(3) + bytes((kind, flags)) + stream.to_bytes(4) + payload


class DohVisit(asyncio.Protocol):
    """One connection to a simulated upstream."""

    def __init__(self, server: DohServer) -> None:
        self.server = server
        self.http = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
        self.requests: dict[int, list[tuple[str, str]]] = {}
        self.bodies: dict[int, bytes] = {}
        self.resets: list[int] = []
        self.is_over = False
        self.transport: asyncio.Transport
        self._unsent: dict[int, bytes] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.server.arrived(self)
        if not self.server.is_http2:
            return
        self.http.local_settings = Settings(client=False, initial_values=self.server.settings)
        self.http.initiate_connection()
        self.push()

    def data_received(self, data: bytes) -> None:
        if not self.server.is_http2:
            self.server.happenings.note()
            return
        try:
            for event in self.http.receive_data(data):
                self._happened(event)
        except H2Error:
            self.transport.close()
        self.push()
        self.server.happenings.note()

    def connection_lost(self, _error: Exception | None) -> None:
        self.is_over = True
        self.server.happenings.note()

    def push(self) -> None:
        """Send what the library has made."""
        self.transport.write(self.http.data_to_send())

    def say(self, stream: int, headers: tuple[tuple[str, str], ...], body: bytes = b"") -> None:
        """Send a response."""
        self.http.send_headers(stream, list(headers), end_stream=not body)
        if body:
            self._unsent[stream] = body
            self._send(stream)
        self.push()

    def _happened(self, event: Event) -> None:
        if isinstance(event, RequestReceived):
            self.requests[event.stream_id] = cast(list[tuple[str, str]], event.headers)
            self.bodies[event.stream_id] = b""
        elif isinstance(event, DataReceived):
            self.bodies[event.stream_id] += event.data
            self.http.acknowledge_received_data(event.flow_controlled_length or 0, event.stream_id)
        elif isinstance(event, StreamEnded):
            self.server.messages.append(self.bodies[event.stream_id])
            self.server.respond(self, event.stream_id, self.bodies[event.stream_id])
        elif isinstance(event, StreamReset):
            self.resets.append(event.stream_id)
        elif isinstance(event, WindowUpdated):
            for stream in list(self._unsent):
                self._send(stream)

    def _send(self, stream: int) -> None:
        body = self._unsent.pop(stream)
        with suppress(H2Error):  # the stream was reset
            while body:
                size = min(len(body), self.http.local_flow_control_window(stream), self.http.max_outbound_frame_size)
                if size <= 0:
                    self._unsent[stream] = body
                    return
                self.http.send_data(stream, body[:size], end_stream=size == len(body))
                body = body[size:]


class DohServer:
    """A simulated upstream; `respond` is what it does with each question. `settings` are those that it announces."""

    def __init__(self, happenings: Happenings) -> None:
        self.happenings = happenings
        self.visits: list[DohVisit] = []
        self.messages: list[bytes] = []
        self.most_at_once = 0
        self.settings: dict[SettingCodes, int] = {SettingCodes.MAX_CONCURRENT_STREAMS: 100}
        self.is_http2 = True
        self.greet: Callable[[DohVisit], None] = lambda _visit: None
        self.respond: Callable[[DohVisit, int, bytes], None] = lambda visit, stream, message: visit.say(
            stream, GOOD, answer(message)
        )
        self.port = 0

    @property
    def open(self) -> int:
        """How many connections are open."""
        return sum(not visit.is_over for visit in self.visits)

    def arrived(self, visit: DohVisit) -> None:
        self.visits.append(visit)
        self.most_at_once = max(self.most_at_once, self.open)
        self.greet(visit)
        self.happenings.note()

    @asynccontextmanager
    async def serving(self, context: ssl.SSLContext) -> AsyncIterator[DohServer]:
        """Serve on loopback inside the block."""
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: DohVisit(self), "127.0.0.1", 0, ssl=context)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for visit in self.visits:
                visit.transport.abort()
            await self.happenings.until(lambda: self.open == 0)
