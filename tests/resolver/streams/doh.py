"""A simulated upstream over HTTPS (HTTP/2), which answers as a test says, and floods if it is told to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import cast

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, Event, RequestReceived, StreamEnded, StreamReset, WindowUpdated
from h2.exceptions import H2Error
from h2.settings import SettingCodes, Settings

from tests.resolver.streams.certificates import Certificate
from tests.resolver.streams.happenings import Happenings
from tests.resolver.streams.servers import Connection, ConnectionServer, StreamServer, answer

GOOD = ((":status", "200"), ("content-type", "application/dns-message"))


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """Return an HTTP/2 frame."""
    return len(payload).to_bytes(3) + bytes((kind, flags)) + stream.to_bytes(4) + payload


class DohVisit(Connection):
    """One connection to a simulated upstream."""

    def __init__(self, server: DohServer) -> None:
        super().__init__(server.happenings)
        self.server = server
        self.http = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
        self.requests: dict[int, list[tuple[str, str]]] = {}
        self.bodies: dict[int, bytes] = {}
        self.resets: list[int] = []
        self._unsent: dict[int, bytes] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.server.arrived(self)
        if not self.server.is_http2:
            return
        self.http.local_settings = Settings(client=False, initial_values=self.server.settings)
        self.http.initiate_connection()
        self.push()

    def data_received(self, data: bytes) -> None:
        if not self.server.is_http2:
            self.happenings.note()
            return
        try:
            for event in self.http.receive_data(data):
                self._happened(event)
        except H2Error:
            self.transport.close()
        self.push()
        self.happenings.note()

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


class DohServer(ConnectionServer[DohVisit]):
    """A simulated upstream; `respond` is what it does with each question. `settings` are those that it announces."""

    def __init__(self, happenings: Happenings) -> None:
        super().__init__(happenings)
        self.settings: dict[SettingCodes, int] = {SettingCodes.MAX_CONCURRENT_STREAMS: 100}
        self.is_http2 = True
        self.respond: Callable[[DohVisit, int, bytes], None] = lambda visit, stream, message: visit.say(
            stream, GOOD, answer(message)
        )

    def connection(self) -> DohVisit:
        return DohVisit(self)


@asynccontextmanager
async def each_transport(
    certificate: Certificate, happenings: Happenings
) -> AsyncIterator[tuple[StreamServer, StreamServer, DohServer]]:
    """Serve over TCP, TLS and HTTPS inside the block; the latter two with a certificate."""
    plain, encrypted, web = StreamServer(happenings), StreamServer(happenings), DohServer(happenings)
    async with plain.serving(), encrypted.serving(certificate.context("dot")), web.serving(certificate.context("h2")):
        yield plain, encrypted, web
