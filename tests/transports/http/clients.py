"""A DoH server on loopback and clients that ask it by frames or lines, with and without TLS."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

from hpack import Encoder

from blockd.metrics import StreamEvent, Transport
from blockd.names import Network
from blockd.settings.encrypted import DohSettings
from blockd.tls import server_tls
from blockd.transports.connections import Bounds
from blockd.transports.descriptors import BOUNDS
from blockd.transports.http.server import ALPN, DohServer
from blockd.transports.pace import PaceBounds
from tests.resolver.rig import Rig
from tests.tls.certificates import pair
from tests.transports.connections import NEVER, Client, Serving, serving
from tests.transports.http import raw
from tests.transports.http.raw import Frame

NAME = "dns.example"
PAIR = pair(NAME, "localhost", "127.0.0.1")
ANY_PACE = PaceBounds(address=1 << 20, prefix=1 << 20)
LOOPBACK = (Network.from_text("127.0.0.0/8"),)


def client_context(*alpn: str) -> ssl.SSLContext:
    """Return that of a client that trusts the server's certificate."""
    context = ssl.create_default_context(cadata=PAIR.chain.decode())
    if alpn:
        context.set_alpn_protocols(list(alpn))
    return context


def over_https(
    rig: Rig,
    idle: float = NEVER,
    bounds: Bounds = BOUNDS,
    pace: PaceBounds = ANY_PACE,
    *,
    plain_from: Sequence[Network] = (),
    client_header: str = "",
    path: str = "/dns-query",
    has_tls: bool = True,
) -> contextlib.AbstractAsyncContextManager[Serving]:
    """Serve DNS over HTTPS on loopback."""
    settings = DohSettings.model_validate(
        {"path": path, "plain_from": [str(network) for network in plain_from], "client_header": client_header}
    )
    kind = partial(DohServer, settings=settings)
    return serving(rig, idle, bounds, pace=pace, kind=kind, tls=server_tls([PAIR], ALPN) if has_tls else None)


def events(rig: Rig) -> dict[str, int]:
    """Return what has been counted of connections, without what has not happened."""
    counted = rig.counters.stream_events(Transport.DOH)
    return {event.name.lower(): counted[event] for event in StreamEvent if counted[event]}


@dataclass
class Http2Client:
    """Speaks HTTP/2 by frames over a connection."""

    client: Client
    encoder: Encoder = field(default_factory=Encoder)
    next_stream: int = 1

    @classmethod
    async def connect(
        cls, served: Serving, host: str = "127.0.0.1", *, plain: bool = False, **values: int
    ) -> Http2Client:
        """Connect, and send the preface with some settings, see `raw.settings`."""
        client = await (served.connect(host) if plain else served.connect(host, client_context("h2"), NAME))
        made = cls(client)
        made.send(raw.PREFACE + raw.settings(**values) + raw.frame(raw.SETTINGS, flags=raw.ACK))
        return made

    def send(self, octets: bytes) -> None:
        self.client.writer.write(octets)

    def post(self, message: bytes, *fields: tuple[str, str]) -> int:
        """Ask; return the stream."""
        stream = self.next_stream
        self.next_stream += 2
        block = self.encoder.encode([*raw.post_fields(len(message)), *fields], huffman=False)
        self.send(raw.frame(raw.HEADERS, stream, block, raw.END_HEADERS))
        self.send(raw.frame(raw.DATA, stream, message, raw.END_STREAM))
        return stream

    async def frame(self) -> Frame:
        """Return the next frame; raises EOFError at the connection's end."""
        head = await self.client.reader.readexactly(9)
        payload = await self.client.reader.readexactly(int.from_bytes(head[:3]))
        return Frame(head[3], head[4], int.from_bytes(head[5:]), payload)

    async def body(self) -> tuple[int, bytes]:
        """Return the next DATA frame's stream and octets."""
        while True:
            frame = await self.frame()
            if frame.kind == raw.DATA:
                return frame.stream, frame.payload

    async def goodbye(self) -> Frame:
        """Return the GOAWAY with which the connection ends."""
        last = None
        with contextlib.suppress(EOFError, ConnectionError):
            while True:
                frame = await self.frame()
                if frame.kind == raw.GOAWAY:
                    last = frame
        assert last is not None
        return last


async def http1(client: Client, octets: bytes) -> tuple[int, dict[str, str], bytes]:
    """Send a request; return the status, the header fields and the body of the response."""
    client.writer.write(octets)
    head = (await client.reader.readuntil(b"\r\n\r\n")).decode().splitlines()
    fields = {name.lower(): value for name, value in (line.split(": ", 1) for line in head[1:] if line)}
    return int(head[0].split()[1]), fields, await client.reader.readexactly(int(fields["content-length"]))


def posted(message: bytes, *fields: str, path: str = "/dns-query") -> bytes:
    """Return a request over HTTP/1.1."""
    lines = [
        f"POST {path} HTTP/1.1",
        f"host: {NAME}",
        "content-type: application/dns-message",
        f"content-length: {len(message)}",
        *fields,
    ]
    return "".join(f"{line}\r\n" for line in lines).encode() + b"\r\n" + message


async def ended(client: Client) -> None:
    """Wait for the end of a connection."""
    with contextlib.suppress(ConnectionError):
        async with asyncio.timeout(20):
            while await client.reader.read(1 << 16):
                pass
