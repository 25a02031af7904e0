"""Connections of front ends, over TCP and TLS: whose they are, what bounds them, and which are closed."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import socket
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import dns.message
import dns.opcode
import dns.rcode
import pytest

from blockd.metrics import Closing, StreamEvent, Transport
from blockd.names import Network
from blockd.resolver import SelfTestIdentity, SelfTestKey
from blockd.resolver.clients import keys_of
from blockd.tls import server_tls
from blockd.transports import DotServer, TcpServer, admitting_server
from blockd.transports.admitting_server import PACE
from blockd.transports.connections import Bounds
from blockd.transports.descriptors import BOUNDS
from blockd.transports.dot import ALPN
from blockd.transports.fronted_stream import FrontedStream
from blockd.transports.pace import Pace, PaceBounds
from tests.resolver.edge.headers import DGRAM, LOCAL, STREAM, UNIQUE_ID, header, local, raw
from tests.resolver.rig import Clock, Rig, order, question
from tests.tls.certificates import pair
from tests.transports.connections import LISTED, Client, framed
from tests.transports.loops import Run, until

FRONT = "127.0.0.53"
OTHER = "127.0.0.1"  # who sends no header
KEY = SelfTestKey(bytes(range(16)))
NEVER = 3600.0  # seconds
PLAIN, BEFORE, WITHIN = "tcp", "before tls", "within tls"  # where the header is
SERVED = tuple(map(Network.from_text, ("192.0.2.128/25", "127.0.0.1", "2001:db8:1::/48")))

everywhere = pytest.mark.parametrize("where", [PLAIN, BEFORE, WITHIN])


class Primary:
    """A handler that takes every NOTIFY."""

    def answer(self, packet: bytes, host: str) -> bytes:
        """Return NOERROR."""
        return packet[:2] + b"\xa0\0" + bytes(8)

    def expects(self, host: str) -> bool:
        """Return whether a NOTIFY may come from an address."""
        return False


@functools.cache
def certificate() -> Any:
    return pair("dns.example")


class Fronts:
    """A server that tests connect to."""

    def __init__(self, rig: Rig, server: TcpServer, address: tuple[str, int], where: str) -> None:
        self.rig = rig
        self.server = server
        self._address = address
        self.where = where
        self._clients: list[Client] = []

    async def connect(self, wrapped: bytes = b"", host: str = FRONT, *, following: bytes = b"") -> Client:
        """Connect from an address, with a header; what follows comes in the same piece."""
        reader, writer = await asyncio.open_connection(*self._address, local_addr=(host, 0))
        client = Client(reader, writer)
        self._clients.append(client)
        if self.where == PLAIN:
            writer.write(wrapped + following)
            return client
        if self.where == BEFORE and wrapped:
            writer.write(wrapped)
        context = ssl.create_default_context(cadata=certificate().chain.decode())
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            await writer.start_tls(context, server_hostname="dns.example")
            writer.write((wrapped if self.where == WITHIN else b"") + following)
        return client

    async def ask(self, wrapped: bytes = b"", host: str = FRONT, octets: bytes | None = None) -> dns.message.Message:
        """Return the answer to the first message of a new connection."""
        message = question(LISTED).to_wire() if octets is None else octets
        return await (await self.connect(wrapped, host, following=framed(message))).receive()

    async def is_refused(self, wrapped: bytes = b"", host: str = FRONT, octets: bytes | None = None) -> bool:
        """Return whether a connection is closed without an answer, and counted as refused."""
        before = self.refused
        message = question(LISTED).to_wire() if octets is None else octets
        client = await self.connect(wrapped, host, following=framed(message))
        with contextlib.suppress(ssl.SSLError):
            if not await client.ended():
                return False
        await until(lambda: not self.server.connections)
        return self.refused == before + 1

    @property
    def refused(self) -> int:
        """How many connections were closed for their header."""
        return self.rig.counters.stream_events(self.server.transport)[StreamEvent.PROXY_REFUSED]

    @property
    def hosts(self) -> list[tuple[str, str]]:
        """Whose the connections are, and where they come from."""
        return [(one.host, one.peer) for one in self.server.connections if isinstance(one, FrontedStream)]

    def leave(self) -> None:
        """End every client's connection at once."""
        for client in self._clients:
            client.writer.transport.abort()


@contextlib.asynccontextmanager
async def fronts(
    folder: Path, where: str, bounds: Bounds = BOUNDS, idle: float = NEVER, pace: PaceBounds = PACE, **serving: Any
) -> AsyncIterator[Fronts]:
    """Serve on loopback; at the end nothing of any connection may be left."""
    service = {"networks": SERVED, "proxies": (Network.from_text(FRONT),), **serving}
    rig = Rig(folder, selftest=SelfTestIdentity(KEY, 0), serving=service)
    rig.enforce([(order(), ["telegram.org"])])
    tls = None if where == PLAIN else server_tls([certificate()], ALPN)
    server = (TcpServer if where == PLAIN else DotServer)(
        rig.resolver, idle=idle, bounds=bounds, row=rig.row, pace=pace, tls=tls
    )
    with socket.create_server((OTHER, 0)) as sock:
        server.start(sock)
        made = Fronts(rig, server, sock.getsockname(), where)
        try:
            yield made
        finally:
            made.leave()
            server.close()
            await until(lambda: not server.connections)
            assert not server.connections._groups
            assert not server.half_open.members
            assert not server.unread.members


@everywhere
@pytest.mark.parametrize("wrapped", [header("192.0.2.200", STREAM), header("192.0.2.200", DGRAM, tlvs=UNIQUE_ID)])
def test_client_in_the_header_is_answered_and_the_connection_is_its_own(
    tmp_path: Path, run: Run, where: str, wrapped: bytes
) -> None:
    async def main() -> None:
        async with fronts(tmp_path, where) as made:
            client = await made.connect(wrapped, following=framed(question(LISTED).to_wire()))
            assert (await client.receive()).answer[0][0].to_text() == "192.0.2.80"
            assert made.hosts == [("192.0.2.200", FRONT)]
            assert set(made.server.connections._groups) == set(keys_of("192.0.2.200"))
            client.send(question(LISTED))
            assert (await client.receive()).answer, "one header is enough"
            assert made.refused == 0

    run(main())


@everywhere
def test_client_in_the_header_that_is_not_served_is_refused_in_words(tmp_path: Path, run: Run, where: str) -> None:
    async def main() -> None:
        async with fronts(tmp_path, where) as made:
            for host in ("198.51.100.1", "2001:db8:2::1"):
                assert (await made.ask(header(host))).rcode() == dns.rcode.REFUSED

    run(main())


@everywhere
def test_what_the_front_end_asks_itself_is_answered_as_its_own(tmp_path: Path, run: Run, where: str) -> None:
    async def main() -> None:
        async with fronts(tmp_path, where) as made:
            for wrapped in (local(), raw(LOCAL, 0x11, bytes(12))):
                assert (await made.ask(wrapped)).answer
            assert made.hosts == [(FRONT, FRONT)] * 2

    run(main())


@everywhere
def test_connections_of_one_client_are_bounded_whatever_the_front_end_is(tmp_path: Path, run: Run, where: str) -> None:
    async def main() -> None:
        async with fronts(tmp_path, where, Bounds(address=2, prefix=4, all=100)) as made:
            asked = framed(question(LISTED).to_wire())
            clients = []
            for host in ("192.0.2.201", "192.0.2.200", "192.0.2.200", "192.0.2.200"):
                clients.append(await made.connect(header(host), following=asked))
                assert (await clients[-1].receive()).answer
            others, first, *_ = clients
            assert await first.ended()
            assert made.hosts.count(("192.0.2.200", FRONT)) == 2
            others.send(question(LISTED))
            assert (await others.receive()).answer
            closed = made.rig.counters.connections_closed(made.server.transport)
            assert closed[Closing.ADDRESS] == 1

    run(main())


@everywhere
def test_connections_that_one_client_opens_too_fast_are_closed(
    tmp_path: Path, run: Run, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    monkeypatch.setattr(admitting_server, "Pace", lambda bounds, _, is_front_end: Pace(bounds, clock, is_front_end))

    async def main() -> None:
        async with fronts(tmp_path, where, pace=PaceBounds(address=2)) as made:
            for _ in range(2):
                assert (await made.ask(header("192.0.2.200"))).answer
            client = await made.connect(header("192.0.2.200"), following=framed(question(LISTED).to_wire()))
            with contextlib.suppress(ssl.SSLError):
                assert await client.ended()
            assert made.rig.counters.connections_closed(made.server.transport)[Closing.PACE] == 1
            assert (await made.ask(header("2001:db8:1::1"))).answer

    run(main())


@everywhere
@pytest.mark.parametrize(
    "wrapped",
    [
        header("192.0.2.200", 3),
        header("192.0.2.200", command=0x22),
        header("192.0.2.200", size=11),
        header("192.0.2.200", tlvs=b"\4\0\1"),
        header("192.0.2.200", size=497),
        raw(0x21, 0x31, bytes(216)),
        raw(0x21, 0, b""),
    ],
)
def test_header_that_cannot_be_taken_ends_the_connection(tmp_path: Path, run: Run, where: str, wrapped: bytes) -> None:
    async def main() -> None:
        async with fronts(tmp_path, where) as made:
            assert await made.is_refused(wrapped)

    run(main())


@everywhere
def test_front_end_without_a_header_is_refused(tmp_path: Path, run: Run, where: str) -> None:
    async def main() -> None:
        async with fronts(tmp_path, where) as made:
            assert await made.is_refused()
            assert not sum(made.rig.counters.queries())

    run(main())


@everywhere
@pytest.mark.parametrize("proxies", [(), (Network.from_text(FRONT),)])
def test_header_of_anybody_else_is_refused(tmp_path: Path, run: Run, where: str, proxies: tuple[Network, ...]) -> None:
    async def main() -> None:
        async with fronts(tmp_path, where, proxies=proxies) as made:
            assert await made.is_refused(header("192.0.2.200"), OTHER)
            assert await made.is_refused(local(), OTHER)
            assert (await made.ask(host=OTHER)).answer

    run(main())


@pytest.mark.parametrize("host", [OTHER, FRONT])
def test_client_behind_a_front_end_may_send_no_header_within_tls(tmp_path: Path, run: Run, host: str) -> None:
    async def main() -> None:
        async with fronts(tmp_path, BEFORE) as made:
            wrapped = header("192.0.2.200") if host == FRONT else b""
            client = await made.connect(wrapped, host, following=header("192.0.2.201") + framed(bytes(12)))
            with contextlib.suppress(ssl.SSLError):
                assert await client.ended()
            assert made.refused == 1

    run(main())


@everywhere
def test_selftest_and_notify_from_the_front_ends_machine_need_no_header(tmp_path: Path, run: Run, where: str) -> None:
    async def main() -> None:
        async with fronts(tmp_path, where, notify=Primary()) as made:
            assert (await made.ask(octets=KEY.identity_question)).rcode() == dns.rcode.NOERROR
            notify = question("rpz.example", "SOA")
            notify.set_opcode(dns.opcode.NOTIFY)
            assert (await made.ask(octets=notify.to_wire())).rcode() == dns.rcode.NOERROR
            client = await made.connect(following=framed(KEY.identity_question))
            await client.receive()
            client.send(question(LISTED))
            with contextlib.suppress(ssl.SSLError):
                assert await client.ended(), "what is not a self-test's is refused there too"
            assert made.refused == 1

    run(main())


def test_header_that_comes_octet_by_octet_is_waited_for(tmp_path: Path, run: Run) -> None:
    async def main() -> None:
        async with fronts(tmp_path, PLAIN) as made:
            client = await made.connect()
            octets = header("192.0.2.200", tlvs=UNIQUE_ID) + framed(question(LISTED).to_wire())
            for place in range(len(octets)):
                client.writer.write(octets[place : place + 1])
                await client.writer.drain()
                await asyncio.sleep(0)
            assert (await client.receive()).answer
            assert made.hosts == [("192.0.2.200", FRONT)]

    run(main())


@pytest.mark.parametrize("host", [FRONT, OTHER])
def test_header_that_never_comes_whole_is_waited_for_no_longer_than_a_question(
    tmp_path: Path, run: Run, host: str
) -> None:
    async def main() -> None:
        async with fronts(tmp_path, PLAIN, idle=0.05) as made:
            client = await made.connect(header("192.0.2.200")[:11], host)
            assert await client.ended()
            assert made.refused == 0

    run(main())


def test_unfinished_handshakes_are_those_of_the_client_in_the_header(tmp_path: Path, run: Run) -> None:
    async def main() -> None:
        async with fronts(tmp_path, BEFORE) as made:
            made.where = PLAIN  # what follows is all of the handshake
            await made.connect(header("192.0.2.200"), following=b"\x16\3\1")
            await until(lambda: made.hosts == [("192.0.2.200", FRONT)])
            assert made.server.half_open.count(keys_of("192.0.2.200")[1]) == 1
            assert made.server.half_open.members == 1

    run(main())


def test_questions_are_counted_under_the_transport_of_the_front_end(tmp_path: Path, run: Run) -> None:
    async def main() -> None:
        async with fronts(tmp_path, BEFORE) as made:
            await made.ask(header("192.0.2.200", DGRAM))
            assert made.rig.counters.queries()[Transport.DOT] == 1

    run(main())
