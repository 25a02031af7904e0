from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import Awaitable, Callable

import pytest

from blockd.transports.connections import Bounds
from blockd.web.block_page import serve_block_page
from blockd.web.request_head import MAX_HEAD
from blockd.web.serving import Serving, ServingLimits
from tests.web.sinkhole import LISTED, Sinkhole

PATIENCE = 60.0  # seconds after which a test that waits for a condition has failed


class Client:
    """Connects to the server under test, which it knows."""

    def __init__(self, serving: Serving, address: tuple[str, int]) -> None:
        self.serving = serving
        self.address = address
        self._opened: list[asyncio.StreamWriter] = []

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection(*self.address)
        self._opened.append(writer)
        return reader, writer

    def close(self) -> None:
        for writer in self._opened:
            writer.close()


def serve_and(
    sinkhole: Sinkhole,
    bound: socket.socket,
    use: Callable[[Client], Awaitable[None]],
    *,
    max_connections: int = 10,
    max_lifetime: float = PATIENCE,
) -> None:
    """Run a block page and `use` it."""

    async def run() -> None:
        bounds = Bounds(max_connections, max_connections, max_connections)
        serving = serve_block_page(sinkhole.site, [bound], limits=ServingLimits(bounds, max_lifetime))
        client = Client(serving, bound.getsockname())
        try:
            await asyncio.wait_for(use(client), PATIENCE)
        finally:
            client.close()
            await serving.close()

    asyncio.run(run())


async def read_to_end(reader: asyncio.StreamReader) -> bytes:
    """Everything until the end, a reset included."""
    found = b""
    with contextlib.suppress(ConnectionResetError):
        while part := await reader.read(65536):
            found += part
    return found


def test_a_connection_that_says_nothing_is_ended(sinkhole: Sinkhole, bound: socket.socket) -> None:
    async def use(client: Client) -> None:
        reader, writer = await client.connect()
        writer.write(b"GET / HTTP/1.1\r\nHost: blocked.exa")
        assert await read_to_end(reader) == b""
        assert len(client.serving.connections) == 0

    serve_and(sinkhole, bound, use, max_lifetime=0.05)


def test_one_connection_too_many_ends_the_oldest(sinkhole: Sinkhole, bound: socket.socket) -> None:
    async def use(client: Client) -> None:
        first, _ = await client.connect()
        await client.connect()
        third, writer = await client.connect()
        assert await read_to_end(first) == b""
        assert len(client.serving.connections) <= 2
        writer.write(b"GET / HTTP/1.1\r\nHost: blocked.example\r\n\r\n")
        assert b" 451 " in await read_to_end(third)

    serve_and(sinkhole, bound, use, max_connections=2)


def test_a_body_is_not_waited_for(sinkhole: Sinkhole, bound: socket.socket) -> None:
    async def use(client: Client) -> None:
        reader, writer = await client.connect()
        writer.write(b"POST / HTTP/1.1\r\nHost: blocked.example\r\nContent-Length: 1000000000\r\n\r\nbegin")
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 451 ")
        assert b"connection: close" in head.lower()

    serve_and(sinkhole, bound, use)


def test_one_request_is_answered_per_connection(sinkhole: Sinkhole, bound: socket.socket) -> None:
    async def use(client: Client) -> None:
        reader, writer = await client.connect()
        writer.write(b"GET / HTTP/1.1\r\nHost: blocked.example\r\n\r\n" * 3)
        assert (await read_to_end(reader)).count(b"HTTP/1.1 451") == 1

    serve_and(sinkhole, bound, use)
    assert len(sinkhole.hits) == 1


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00", 400),  # a TLS handshake, without a line's end
        (b"GET /" + b"a" * MAX_HEAD + b" HTTP/1.1\r\nHost: blocked.example\r\n\r\n", 414),
        (b"GET / HTTP/1.1\r\nX: " + b"a" * MAX_HEAD + b"\r\nHost: blocked.example\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: other.example\r\nX: " + b"a" * MAX_HEAD + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\n" + b"".join(b"X-%d: 1\r\n" % number for number in range(500)) + b"\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: other.example\r\n" + b"X: 1\r\n" * 500 + b"\r\n", 431),
        (b"GET / HTTP/1.1\r\n" + b"X: 1\r\n" * 500 + b"Host: blocked.example\r\n\r\n", 431),
        (b"A" * 10_000 + b" / HTTP/1.1\r\nHost: blocked.example\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: " + b"a" * 1000 + b"\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: {}\r\n\r\n".format("\u00e4." * 500).encode(), 400),
        (b"GET / HTTP/1.1\r\nHost: a.example\r\nHost: b.example\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost : blocked.example\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: blocked.example\r\n folded\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: blocked.example\r\nno field\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: blocked.exa\0mple\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.0\r\n\r\n", 400),
        (b"GET /\r\n", 400),  # HTTP/0.9: nothing follows
        (b"GET / HTTP/1.1 \r\nHost: blocked.example\r\n\r\n", 400),
        (b"\0" * 1000 + b"\r\n\r\n", 400),
        (b"GET http://user@blocked.example/ HTTP/1.1\r\nHost: blocked.example\r\n\r\n", 400),
    ],
)
def test_what_cannot_be_read_is_refused_without_a_trace_of_who_or_what(
    sinkhole: Sinkhole, bound: socket.socket, request_bytes: bytes, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    async def use(client: Client) -> None:
        reader, writer = await client.connect()
        writer.write(request_bytes)
        answer = await read_to_end(reader)
        assert answer.startswith(b"HTTP/1.1 %d " % status)
        assert answer.endswith(b"</html>")
        assert b"aiohttp" not in answer
        assert b"Python" not in answer

    with caplog.at_level(logging.DEBUG):
        serve_and(sinkhole, bound, use)
    assert not any("127.0.0.1" in record.getMessage() for record in caplog.records)
    assert not sinkhole.hits
    assert sinkhole.requests == ["http"]


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"CONNECT blocked.example:443 HTTP/1.1\r\nHost: blocked.example:443\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\nHost: blocked.example\r\n\r\n",
        b"GET http://blocked.example/ HTTP/1.1\r\nHost: other.example\r\n\r\n",
        b"GET / HTTP/1.0\r\nHost: blocked.example\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: blocked.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
        b"GET / HTTP/2.0\r\nHost: blocked.example\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: blocked.example\r\nX: " + b"a" * 8_191 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: blocked.example\r\nX: " + b"a" * 1_000_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: blocked.example\r\n" + b"X: 1\r\n" * 129 + b"\r\n",
        b"GET http://blocked.example/" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n",
        b"GET /" + b"a" * 60_000 + b" HTTP/1.1\r\nHost: blocked.example\r\n\r\n",
        b"GET /" + b"a" * 500_000 + b" HTTP/1.1\r\nHost: blocked.example\r\n\r\n",
        b"GET / HTTP/1.1\r\nX: " + b"a" * 500_000 + b"\r\nHost: blocked.example\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: blocked.example\r\nAccept: " + b"a/b," * 10_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: blocked.example\r\n" + b"Accept-Language: xx\r\n" * 500 + b"\r\n",
        b"GET /" + b"?&%" * 20_000 + b" HTTP/1.1\r\nHost: blocked.example\r\n\r\n",
        "GET /jalan-ä-café HTTP/1.1\r\nHost: blocked.example\r\nX: ä\r\n\r\n".encode(),
        b"GET /\xff HTTP/1.1\r\nHost: blocked.example\r\n\r\n",
        b"X.Y~Z / HTTP/1.1\r\nHost: blocked.example\r\n\r\n",
        b"GET / HTTP/1.1\nHost: blocked.example\n\n",
        b"\r\n\r\nGET / HTTP/1.1\r\nhOST:blocked.example:80\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: BLOCKED.example.\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: blocked.example\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: blocked.example\r\nExpect: a-miracle\r\nContent-Length: 5\r\n\r\nhello",
        b"POST / HTTP/1.1\r\nHost: blocked.example\r\nExpect: " + b"100-continue," * 9_000 + b"\r\n\r\n",
        b"PUT / HTTP/1.1\r\nHost: blocked.example\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: blocked.example\r\n\r\nGET / HTTP/1.1\r\nHost: other.example\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: blocked.example\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: blocked.example\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    ],
)
def test_unusual_requests_get_the_block_page(sinkhole: Sinkhole, bound: socket.socket, request_bytes: bytes) -> None:
    async def use(client: Client) -> None:
        reader, writer = await client.connect()
        writer.write(request_bytes)
        answer = await read_to_end(reader)
        head = answer.partition(b"\r\n\r\n")[0]
        assert head.startswith(b"HTTP/1.1 451 Unavailable For Legal Reasons\r\n")
        assert b"Server: blockd" in head
        assert answer.endswith(b"</html>")

    serve_and(sinkhole, bound, use)
    assert [verdict for verdict, _ in sinkhole.hits] == [LISTED]
    assert sinkhole.requests == ["http"]


def test_a_client_that_speaks_http_2_is_told_to_use_http_1(sinkhole: Sinkhole, bound: socket.socket) -> None:
    async def use(client: Client) -> None:
        reader, writer = await client.connect()
        writer.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0")
        settings, goaway = b"\0\0\0\4\0\0\0\0\0", b"\0\0\x08\7\0\0\0\0\0" + b"\0\0\0\0" + b"\0\0\0\x0d"
        assert await read_to_end(reader) == settings + goaway

    serve_and(sinkhole, bound, use)
    assert sinkhole.requests == ["http"], "it is counted, whatever it would have asked for"


def test_a_head_may_come_octet_by_octet(sinkhole: Sinkhole, bound: socket.socket) -> None:
    async def use(client: Client) -> None:
        reader, writer = await client.connect()
        for octet in b"GET /x HTTP/1.1\r\nHost: blocked.example\r\n\r\n":
            writer.write(bytes((octet,)))
            await writer.drain()
        assert b" 451 " in await read_to_end(reader)

    serve_and(sinkhole, bound, use)


def test_a_client_that_ends_in_the_middle_is_told_so(sinkhole: Sinkhole, bound: socket.socket) -> None:
    async def use(client: Client) -> None:
        reader, writer = await client.connect()
        writer.write(b"GET / HTTP/1.1\r\nHost: blocked.example\r\n")
        writer.write_eof()
        assert (await read_to_end(reader)).startswith(b"HTTP/1.1 400 ")
        silent, writer = await client.connect()
        writer.write_eof()
        assert await read_to_end(silent) == b""

    serve_and(sinkhole, bound, use)
    assert not sinkhole.hits


async def send_for_ever(writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(b"more" * 1000)
        await writer.drain()


def test_a_client_that_never_stops_sending_is_cut_off(sinkhole: Sinkhole, bound: socket.socket) -> None:
    async def use(client: Client) -> None:
        reader, writer = await client.connect()
        writer.write(b"POST / HTTP/1.1\r\nHost: blocked.example\r\n\r\n")
        assert b" 451 " in await read_to_end(reader)
        with pytest.raises(ConnectionError):
            await send_for_ever(writer)

    serve_and(sinkhole, bound, use)


def test_close_ends_open_connections_and_listening(sinkhole: Sinkhole, bound: socket.socket) -> None:
    async def use(client: Client) -> None:
        reader, writer = await client.connect()
        writer.write(b"GET / HTTP")
        await writer.drain()
        await client.serving.close()
        assert await read_to_end(reader) == b""
        with pytest.raises(ConnectionRefusedError):
            await client.connect()

    serve_and(sinkhole, bound, use)


def test_a_socket_that_listens_already_is_served(sinkhole: Sinkhole, bound: socket.socket) -> None:
    async def use(client: Client) -> None:
        reader, writer = await client.connect()
        writer.write(b"GET / HTTP/1.1\r\nHost: blocked.example\r\n\r\n")
        assert b" 451 " in await read_to_end(reader)

    bound.listen()
    serve_and(sinkhole, bound, use)
