from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable

import dns.edns
import dns.message
import dns.rcode
import pytest

from blockd.metrics import Closing, StreamEvent, Transport
from blockd.tls import server_tls
from blockd.transports import DotServer, stream_server
from blockd.transports.admitting_server import READ
from blockd.transports.client_stream import MAX_GATHERED
from blockd.transports.connections import Bounds
from blockd.transports.descriptors import BOUNDS
from blockd.transports.dot import ALPN
from blockd.transports.pace import PaceBounds
from blockd.transports.tcp_connection import MAX_QUESTION
from tests.resolver.rig import Rig, question
from tests.tls.certificates import pair
from tests.transports.connections import LISTED, NEVER, Client, Serving, connections, framed, numbered, serving
from tests.transports.loops import Run, until
from tests.upstream import UpstreamSimulator

NAME = "dns.example"
PAIR = pair(NAME)
MAX_RECORD = 1 << 14  # octets of plain text, RFC 8446 section 5.1
ANY_PACE = PaceBounds(address=1 << 20, prefix=1 << 20)


def client_context(*alpn: str, version: ssl.TLSVersion | None = None) -> ssl.SSLContext:
    """Return that of a client that trusts the server's certificate."""
    context = ssl.create_default_context(cadata=PAIR.chain.decode())
    if alpn:
        context.set_alpn_protocols(list(alpn))
    if version is not None:
        context.minimum_version = context.maximum_version = version
    return context


def over_tls(
    rig: Rig, idle: float = NEVER, bounds: Bounds = BOUNDS, pace: PaceBounds = ANY_PACE
) -> contextlib.AbstractAsyncContextManager[Serving]:
    return serving(rig, idle, bounds, pace=pace, kind=DotServer, tls=server_tls([PAIR], ALPN))


async def secured(served: Serving, host: str = "127.0.0.1", context: ssl.SSLContext | None = None) -> Client:
    """Connect over TLS; raises SSLError or ConnectionError if the handshake fails."""
    return await served.connect(host, context or client_context(*ALPN), NAME)


def events(rig: Rig) -> dict[str, int]:
    """Return what has been counted of connections, without what has not happened."""
    counted = rig.counters.stream_events(Transport.DOT)
    return {event.name.lower(): counted[event] for event in StreamEvent if counted[event]}


VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


@pytest.mark.parametrize("version", VERSIONS)
def test_questions_are_answered_as_they_are_ready(
    rig: Rig, upstream: UpstreamSimulator, run: Run, version: ssl.TLSVersion
) -> None:
    async def main() -> None:
        async with over_tls(rig) as served:
            client = await secured(served, context=client_context(*ALPN, version=version))
            with upstream.held():
                client.send(*numbered(["slow.example", LISTED, LISTED]))
                assert [(await client.receive()).id for _ in range(2)] == [1, 2]
            assert (await client.receive()).id == 0
            client.send(question(LISTED))
            assert (await client.receive()).answer, "the connection stays open"

    run(main())
    assert rig.counters.queries()[Transport.DOT] == 4
    assert rig.counters.queries()[Transport.TCP] == 0
    assert events(rig) == {"connection": 1, "handshake": 1}


def test_many_questions_in_one_piece_are_all_answered(rig: Rig, run: Run) -> None:
    """More than a record, more than are decrypted in one turn, more than a burst."""

    async def main() -> None:
        async with over_tls(rig) as served:
            client = await secured(served)
            count = 3000
            client.send(*numbered([LISTED] * count))
            assert [(await client.receive()).id for _ in range(count)] == list(range(count))

    run(main())


def test_records_of_one_octet_are_put_together(rig: Rig, run: Run) -> None:
    async def main() -> None:
        async with over_tls(rig) as served:
            client = await secured(served)
            octets = framed(question(LISTED).to_wire()) * 3
            for at in range(len(octets)):
                client.writer.write(octets[at : at + 1])
            for _ in range(3):
                assert (await client.receive()).answer

    run(main())


@pytest.mark.parametrize("alpn", [ALPN, (), ("h2", "dot")])
def test_a_client_names_dot_or_no_protocol(rig: Rig, run: Run, alpn: tuple[str, ...]) -> None:
    async def main() -> None:
        async with over_tls(rig) as served:
            client = await secured(served, context=client_context(*alpn))
            client.send(question(LISTED))
            assert (await client.receive()).answer

    run(main())


def test_a_client_that_speaks_another_protocol_is_refused_with_an_alert(rig: Rig, run: Run) -> None:
    async def main() -> None:
        async with over_tls(rig) as served:
            with pytest.raises(ssl.SSLError, match=r"(?i)no.application.protocol"):
                await secured(served, context=client_context("h2", "http/1.1"))
            await connections(served, 0)

    run(main())
    assert events(rig) == {"connection": 1, "handshake_failed": 1}


@pytest.mark.parametrize("version", VERSIONS)
def test_a_client_resumes_its_session(rig: Rig, run: Run, version: ssl.TLSVersion) -> None:
    """asyncio's streams resume none, so the client is a socket in a thread."""
    context = client_context(*ALPN, version=version)

    def ask(address: tuple[str, int], session: ssl.SSLSession | None) -> tuple[ssl.SSLSession | None, bool | None]:
        with (
            socket.create_connection(address) as sock,
            context.wrap_socket(sock, server_hostname=NAME, session=session) as secure,
        ):
            secure.sendall(framed(question(LISTED).to_wire()))
            size = int.from_bytes(secure.recv(2))
            assert len(secure.recv(size)) == size
            return secure.session, secure.session_reused

    async def main() -> None:
        async with over_tls(rig) as served:
            session, was_resumed = await asyncio.to_thread(ask, served.address, None)
            assert not was_resumed
            _, was_resumed = await asyncio.to_thread(ask, served.address, session)
            assert was_resumed

    run(main())
    assert events(rig) == {"connection": 2, "handshake": 2, "resumed": 1}


def test_the_idle_time_is_told_to_clients_that_ask(rig: Rig, run: Run) -> None:
    async def main() -> None:
        async with over_tls(rig, idle=12.0) as served:
            client = await secured(served)
            keepalive = dns.edns.GenericOption(dns.edns.OptionType(11), b"")
            client.send(question(LISTED, use_edns=0, options=[keepalive]))
            options = [(int(option.otype), option.to_wire()) for option in (await client.receive()).options]
            assert (11, (120).to_bytes(2)) in options

    run(main())


def test_what_a_client_asked_before_it_said_its_last_is_answered_and_then_the_end_is_said(
    rig: Rig, upstream: UpstreamSimulator, run: Run
) -> None:
    """The client is a session without asyncio's transport, which drops all that comes after its own close_notify."""

    async def main() -> None:
        async with over_tls(rig) as served:
            client = Bare(served, client_context(*ALPN))
            await client.shake_hands()
            with upstream.held():
                client.tls.write(framed(question("slow.example").to_wire()))
                with pytest.raises(ssl.SSLWantReadError):
                    client.tls.unwrap()
                await client.carry()
                (connection,) = await connections(served, 1)
                await asyncio.to_thread(upstream.wait_for, 1)
                await until(lambda: not connection.reads)
            await until_true(client, lambda: client.has_ended)
            size = int.from_bytes(client.tls.read(2))
            assert dns.message.from_wire(client.tls.read(size)).rcode() == dns.rcode.NXDOMAIN
            client.tls.unwrap()
            client.close()

    run(main())


class Bare:
    """A TLS client that says when octets are carried."""

    def __init__(self, served: Serving, context: ssl.SSLContext) -> None:
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_hostname=NAME)
        self.sock = socket.create_connection(served.address)
        self.sock.setblocking(False)
        self.has_ended = False  # the server has closed

    async def carry(self) -> None:
        """Send what there is, and take what has come."""
        loop = asyncio.get_running_loop()
        if octets := self.outgoing.read():
            await loop.sock_sendall(self.sock, octets)
        with contextlib.suppress(BlockingIOError):
            if octets := self.sock.recv(1 << 16):
                self.incoming.write(octets)
            else:
                self.has_ended = True
                self.incoming.write_eof()

    async def shake_hands(self) -> None:
        """Complete the handshake, on this side."""
        while True:
            try:
                self.tls.do_handshake()
            except ssl.SSLWantReadError:
                await self.carry()
                await asyncio.sleep(0)
            else:
                await self.carry()
                return

    def close(self) -> None:
        """End the connection."""
        self.sock.close()


async def until_true(client: Bare, condition: Callable[[], bool]) -> None:
    """Carry octets until a condition holds."""
    while not condition():
        await client.carry()
        await asyncio.sleep(0)


def test_a_client_that_ends_without_a_word_has_its_answers(rig: Rig, run: Run) -> None:
    async def main() -> None:
        async with over_tls(rig) as served:
            client = Bare(served, client_context(*ALPN))
            await client.shake_hands()
            client.tls.write(framed(question(LISTED).to_wire()))
            await client.carry()
            client.sock.shutdown(socket.SHUT_WR)
            await until_true(client, lambda: client.has_ended)
            size = int.from_bytes(client.tls.read(2))
            assert dns.message.from_wire(client.tls.read(size)).answer
            client.close()

    run(main())


def test_an_idle_connection_is_ended_with_a_word(rig: Rig, run: Run) -> None:
    async def main() -> None:
        async with over_tls(rig, idle=0.2) as served:
            client = Bare(served, client_context(*ALPN))
            await client.shake_hands()
            await until_true(client, lambda: client.has_ended)
            assert client.tls.read(1) == b"", "close_notify, without which this raises SSLEOFError"
            client.close()

    run(main())
    assert events(rig) == {"connection": 1, "handshake": 1}


def test_a_handshake_that_is_not_completed_in_time_is_ended(rig: Rig, run: Run) -> None:
    async def main() -> None:
        async with over_tls(rig, idle=0.05) as served:
            silent = await served.connect()
            begun = Bare(served, client_context(*ALPN))
            with pytest.raises(ssl.SSLWantReadError):
                begun.tls.do_handshake()
            await begun.carry()
            assert await silent.ended()
            await connections(served, 0)
            begun.close()

    run(main())
    assert events(rig) == {"connection": 2, "handshake_failed": 2}


def test_a_handshake_octet_by_octet_does_not_move_its_deadline(rig: Rig, run: Run) -> None:
    async def main() -> None:
        async with over_tls(rig) as served:
            client = Bare(served, client_context(*ALPN))
            with pytest.raises(ssl.SSLWantReadError):
                client.tls.do_handshake()
            hello = client.outgoing.read()
            (connection,) = await connections(served, 1)
            deadline = connection._deadline
            loop = asyncio.get_running_loop()
            client.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for at in range(len(hello)):
                await loop.sock_sendall(client.sock, hello[at : at + 1])
                await asyncio.sleep(0)
            assert connection._deadline == deadline
            await client.shake_hands()
            await until(lambda: not connection._is_half_open)
            assert connection._deadline == deadline, "nor does its end: it is the first question that counts"
            client.close()

    run(main())


@pytest.mark.parametrize(
    "octets",
    [framed(question(LISTED).to_wire()), b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\xff\xff" + bytes(66_000), bytes(5)],
    ids=["DNS", "HTTP", "a record that is too long", "zeros"],
)
def test_what_is_not_tls_is_refused_at_once(rig: Rig, run: Run, octets: bytes) -> None:
    async def main() -> None:
        async with over_tls(rig) as served:
            client = await served.connect()
            client.writer.write(octets)
            await connections(served, 0)

    run(main())
    assert events(rig) == {"connection": 1, "handshake_failed": 1}
    assert rig.counters.queries()[Transport.DOT] == 0


def test_a_look_at_whether_the_port_is_open_is_no_failure(rig: Rig, run: Run) -> None:
    async def main() -> None:
        async with over_tls(rig) as served:
            client = await served.connect()
            await connections(served, 1)
            client.writer.close()
            await connections(served, 0)

    run(main())
    assert events(rig) == {"connection": 1}


def test_half_open_connections_close_none_that_is_established(rig: Rig, run: Run) -> None:
    bounds = Bounds(address=40, prefix=40, all=40)

    async def main() -> None:
        async with over_tls(rig, bounds=bounds) as served:
            idle = [await secured(served, f"127.0.1.{number}") for number in range(1, 31)]
            honest = await served.connect("127.0.3.1")
            await connections(served, 31)
            for number in range(1, 101):
                await served.connect(f"127.0.2.{number}")
            await until(lambda: rig.counters.stream_events(Transport.DOT)[StreamEvent.CONNECTION] == 131)
            assert len(served.server.connections) == 40
            assert served.server.half_open.members == bounds.all // stream_server.HALF_OPEN
            for client in idle:
                client.send(question(LISTED))
                assert (await client.receive()).answer
            assert not honest.reader.at_eof(), "it is the network with most of them that loses one"

    run(main())
    assert events(rig)["handshake"] == 30
    assert rig.counters.connections_closed(Transport.DOT)[Closing.ALL] == 91


def test_five_thousand_idle_connections_of_one_network_leave_the_others_theirs(rig: Rig, run: Run) -> None:
    async def main() -> None:
        async with over_tls(rig) as served:
            before = await secured(served, "127.0.1.1")
            with contextlib.ExitStack() as crowd:
                for number in range(5000):
                    one = socket.create_connection(served.address, source_address=(f"127.0.2.{number % 250}", 0))
                    crowd.enter_context(one)
                    await asyncio.sleep(0)
                before.send(question(LISTED))
                assert (await before.receive()).answer
                newcomer = await secured(served, "127.0.3.1")
                newcomer.send(question(LISTED))
                assert (await newcomer.receive()).answer
                assert len(served.server.connections) <= BOUNDS.prefix + 2

    run(main())


def test_a_client_that_never_reads_is_held_to_few_answers_and_then_aborted(rig: Rig, run: Run) -> None:
    async def main() -> None:
        async with over_tls(rig, idle=0.5) as served:
            client = Bare(served, client_context(*ALPN))
            await client.shake_hands()
            (connection,) = await connections(served, 1)
            octets = framed(question(LISTED).to_wire()) * 100

            async def ask() -> None:
                loop = asyncio.get_running_loop()
                while True:
                    client.tls.write(octets)
                    await loop.sock_sendall(client.sock, client.outgoing.read())

            asking = asyncio.ensure_future(ask())
            await until(lambda: connection._is_unread)
            assert 0 < connection.unsent <= 2 * MAX_GATHERED
            assert len(connection._buffer) <= READ + MAX_RECORD + MAX_QUESTION
            await connections(served, 0)
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
            client.close()

    run(main())


def test_new_certificates_are_for_new_connections_and_no_old_one_is_lost(rig: Rig, run: Run) -> None:
    other = pair("other.example")
    tls = server_tls([PAIR], ALPN)

    async def main() -> None:
        async with serving(rig, kind=DotServer, tls=tls) as served:
            before = await secured(served)
            tls.use([other])
            with pytest.raises(ssl.SSLCertVerificationError):
                await secured(served)
            context = ssl.create_default_context(cadata=other.chain.decode())
            after = await served.connect("127.0.0.1", context, "other.example")
            for client in (before, after):
                client.send(question(LISTED))
                assert (await client.receive()).answer

    run(main())
