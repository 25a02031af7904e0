from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator, Iterator
from types import SimpleNamespace
from typing import Any

import dns.rcode
import pytest

from blockd.metrics import Transport
from blockd.orders import Action
from blockd.transports import TcpServer, admitting_server, client_stream, line, stream_server
from blockd.transports.admitting_server import READ
from blockd.transports.client_stream import MAX_GATHERED
from blockd.transports.connections import Bounds
from blockd.transports.pace import PaceBounds
from blockd.transports.tcp_connection import MAX_QUESTION
from tests.resolver.rig import Rig, order, question
from tests.transports.connections import LISTED, NEVER, Serving, connections, framed, serving
from tests.transports.loops import PATIENCE, Run, until
from tests.upstream import UpstreamSimulator


def test_an_idle_connection_is_ended(rig: Rig, run: Run) -> None:
    async def main() -> None:
        async with serving(rig, idle=0.02) as served:
            client = await served.connect()
            assert await client.ended()

    run(main())


def test_a_trickle_of_octets_does_not_keep_a_connection(rig: Rig, run: Run) -> None:
    async def main() -> None:
        async with serving(rig, idle=0.05) as served:
            client = await served.connect()
            (connection,) = await connections(served, 1)
            deadline = connection._deadline
            for count in range(1, 100):  # far from a whole message
                client.writer.write(b"\x40")
                while not connection.has_ended and len(connection._buffer) < count:  # noqa: ASYNC110 - as `until`
                    await asyncio.sleep(0)
            assert connection._deadline == deadline or connection.has_ended
            assert await client.ended()

    run(main())


def test_a_connection_that_waits_for_an_upstream_is_not_idle(rig: Rig, upstream: UpstreamSimulator, run: Run) -> None:
    async def main() -> None:
        async with serving(rig) as served:
            client = await served.connect()
            with upstream.held():
                client.send(question("slow.example"))
                await asyncio.to_thread(upstream.wait_for, 1)
                served.server.idle = 0.02  # counts from the next message, or from the beginning
                client.send(question("slower.example"))
                await asyncio.to_thread(upstream.wait_for, 2)
                idler = await served.connect()
                assert await idler.ended()
            for _ in range(2):
                assert (await client.receive()).rcode() == dns.rcode.NXDOMAIN
            assert await client.ended()

    run(main())


@contextlib.contextmanager
def deaf_client(served: Serving) -> Iterator[socket.socket]:
    """Connect a client that reads nothing, for which both kernels take little: they would swallow 2.8 MB otherwise."""
    (acceptor,) = served.server._acceptors
    with socket.socket(fileno=os.dup(acceptor._sock.fileno())) as listener, socket.socket() as sock:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)  # what it accepts has it from there
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.connect(served.address)
        sock.setblocking(False)
        yield sock


@contextlib.asynccontextmanager
async def asking_for_ever(*socks: socket.socket) -> AsyncIterator[None]:
    """Ask for a listed name from each socket, one question after the other, as long as the server takes them."""
    loop = asyncio.get_running_loop()
    octets = framed(question(LISTED).to_wire()) * 100_000
    tasks = [asyncio.ensure_future(loop.sock_sendall(sock, octets)) for sock in socks]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def test_a_client_that_never_reads_is_held_to_few_answers_and_then_aborted(rig: Rig, run: Run) -> None:
    async def main() -> None:
        async with serving(rig, idle=0.2) as served:
            with deaf_client(served) as sock:
                (connection,) = await connections(served, 1)
                async with asking_for_ever(sock):
                    await until(lambda: connection._is_unread)
                    assert 0 < connection.unsent <= MAX_GATHERED
                    assert len(connection._buffer) <= READ + MAX_QUESTION
                    await connections(served, 0)

    run(main())


def test_answers_to_questions_that_waited_are_bounded_as_well(
    rig: Rig, upstream: UpstreamSimulator, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_stream, "MAX_UNSENT", 10_000)
    upstream.plan("long.example", "TXT", *(f'long.example. 300 IN TXT "{number:0250}"' for number in range(40)))

    async def main() -> None:
        async with serving(rig) as served:
            with deaf_client(served) as sock:
                loop = asyncio.get_running_loop()
                await connections(served, 1)
                with upstream.held():
                    await loop.sock_sendall(sock, framed(question("long.example", "TXT").to_wire()) * 20)
                    await asyncio.to_thread(upstream.wait_for, 1)
                await connections(served, 0)

    run(main())


def test_of_too_many_clients_that_leave_answers_unread_the_one_that_has_for_longest_is_aborted(
    rig: Rig, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel may take answers of the first one later, which begins anew then: what counts is the order as it is."""
    monkeypatch.setattr(stream_server, "MAX_UNREAD", 1)
    unread: list[Any] = []  # in the order in which they began
    turned_away: list[tuple[list[Any], list[Any]]] = []  # those that had left answers unread, and who was aborted
    leaves_unread, has_read = TcpServer.leaves_unread, TcpServer.has_read

    def leaves(server: TcpServer, host: str, connection: Any) -> None:
        unread.append(connection)
        before = unread.copy()
        leaves_unread(server, host, connection)
        turned_away.append((before, [one for one in before if one.has_ended]))

    def reads(server: TcpServer, host: str, connection: Any) -> None:
        unread.remove(connection)
        has_read(server, host, connection)

    monkeypatch.setattr(TcpServer, "leaves_unread", leaves)
    monkeypatch.setattr(TcpServer, "has_read", reads)

    async def main() -> None:
        async with serving(rig) as served:
            with deaf_client(served) as sock, deaf_client(served) as other:
                await connections(served, 2)
                async with asking_for_ever(sock, other):
                    await connections(served, 1)
            assert all(gone == before[:-1] for before, gone in turned_away), "one beyond MAX_UNREAD, who began first"
            assert sum(len(gone) for _, gone in turned_away) == 1

    run(main())


def test_a_message_longer_than_any_question_is_cut_and_never_held(rig: Rig, run: Run) -> None:
    async def main() -> None:
        async with serving(rig) as served:
            client = await served.connect()
            (connection,) = await connections(served, 1)
            octets = question(LISTED).to_wire()
            client.writer.write(framed(octets + bytes(65535 - len(octets)))[:-1])
            await until(lambda: connection._left == 1)
            assert len(connection._buffer) + len(connection._cut) <= MAX_QUESTION
            client.writer.write(b"\0" + framed(octets))
            for _ in range(2):
                assert (await client.receive()).answer, "octets behind the last record are ignored"

    run(main())


def test_a_question_with_an_option_longer_than_any_is_malformed_as_over_udp(rig: Rig, run: Run) -> None:
    async def main() -> None:
        async with serving(rig) as served:
            client = await served.connect()
            octets = question(LISTED).to_wire()
            opt = b"\0\0\x29\4\xd0\0\0\0\0" + (60_000).to_bytes(2) + b"\xfd\xe9" + (59_996).to_bytes(2) + bytes(59_996)
            client.writer.write(framed(octets[:11] + b"\1" + octets[12:] + opt))
            assert (await client.receive()).rcode() == dns.rcode.FORMERR

    run(main())


def test_messages_without_an_answer_do_not_keep_a_connection(rig: Rig, run: Run) -> None:
    rig.enforce([(order(action=Action.DROP), ["telegram.org"])])

    async def main() -> None:
        async with serving(rig, idle=0.05) as served:
            client = await served.connect()

            async def send() -> None:
                while not client.writer.is_closing():
                    client.send(question(LISTED))
                    with contextlib.suppress(ConnectionError):
                        await client.writer.drain()
                    await asyncio.sleep(0)

            sending = asyncio.ensure_future(send())
            assert await client.ended()
            sending.cancel()
            await asyncio.wait([sending])

    run(main())


FEW = Bounds(address=5, prefix=20, all=50)


def test_a_newcomer_gets_its_answer_while_ten_others_hold_more_idle_connections_than_there_are(
    rig: Rig, upstream: UpstreamSimulator, run: Run
) -> None:
    async def main() -> None:
        async with serving(rig, bounds=FEW) as served:
            with upstream.held():
                honest = await served.connect("127.0.0.1")
                honest.send(question("slow.example"))
                await asyncio.to_thread(upstream.wait_for, 1)
                for number in range(1, 11):
                    for _ in range(50):
                        await served.connect(f"127.0.{number}.1")
                newcomer = await served.connect("127.0.99.1")
                newcomer.send(question(LISTED))
                assert (await newcomer.receive()).answer
            assert (await honest.receive()).rcode() == dns.rcode.NXDOMAIN, "it was being served"
            assert len(served.server.connections) <= FEW.all

    run(main())
    address, prefix, in_all, stranger, descriptors, _ = rig.counters.connections_closed(Transport.TCP)
    assert address == 10 * 45
    assert (prefix, stranger, descriptors) == (0, 0, 0)
    assert in_all == 2


def test_neighbours_in_a_prefix_take_no_more_than_their_part(rig: Rig, run: Run) -> None:
    async def main() -> None:
        async with serving(rig, bounds=FEW) as served:
            other = await served.connect("127.0.1.1")
            for number in range(1, 41):
                await served.connect(f"127.0.2.{number}")
            await connections(served, FEW.prefix + 1)
            other.send(question(LISTED))
            assert (await other.receive()).answer

    run(main())
    assert rig.counters.connections_closed(Transport.TCP) == [0, 20, 0, 0, 0, 0]


def test_strangers_are_closed_at_accept_and_counted(rig: Rig, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream_server, "_is_this_machine", lambda _host, _connection: False)
    monkeypatch.setattr(rig.resolver, "may_connect", lambda host: host != "127.0.0.66")

    async def main() -> None:
        async with serving(rig, bounds=Bounds(1, 1, 1)) as served:
            client = await served.connect()
            await connections(served, 1)
            for _ in range(3):
                stranger = await served.connect("127.0.0.66")
                assert await stranger.ended()
            client.send(question(LISTED))
            assert (await client.receive()).answer, "nobody had to make room for a stranger"

    run(main())
    assert rig.counters.connections_closed(Transport.TCP) == [0, 0, 0, 3, 0, 0]


def test_a_client_that_opens_one_connection_after_the_other_is_closed_at_accept(
    rig: Rig, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise all that a worker accepts is its connections, and everybody else's wait."""
    monkeypatch.setattr(stream_server, "_is_this_machine", lambda _host, _connection: False)
    monkeypatch.setattr(admitting_server, "time", SimpleNamespace(monotonic=lambda: 7.0))

    async def main() -> None:
        async with serving(rig, pace=PaceBounds(address=3, prefix=4, least=1)) as served:
            for _ in range(3):
                await served.connect("127.0.0.66")
            for _ in range(5):
                assert await (await served.connect("127.0.0.66")).ended()
            for host in ("127.0.0.67", "127.0.0.68", "127.0.1.1"):
                newcomer = await served.connect(host)
                newcomer.send(question(LISTED))
                assert (await newcomer.receive()).answer, "its neighbours' churn is not its own"

    run(main())
    assert rig.counters.connections_closed(Transport.TCP) == [0, 0, 0, 0, 0, 5]


def test_of_too_many_that_leave_answers_unread_one_of_the_network_with_most_is_aborted(
    rig: Rig, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream_server, "MAX_UNREAD", 3)

    class Unread:
        """A connection that notes that it was aborted."""

        def __init__(self, server: Any, host: str) -> None:
            self.server, self.host = server, host
            self.is_aborted = False
            server.leaves_unread(host, self)

        def abort(self) -> None:
            """Note it."""
            self.is_aborted = True
            self.server.has_read(self.host, self)

    async def main() -> None:
        server = TcpServer(rig.resolver)
        hosts = ("192.0.2.1", "198.51.100.1", "198.51.100.2", "198.51.100.1", "198.51.100.3")
        made = [Unread(server, host) for host in hosts]
        assert [one.is_aborted for one in made] == [False, True, True, False, False]
        assert server.unread.members == 3
        server.close()

    run(main())


def test_a_newcomer_is_served_among_the_first_however_many_of_others_wait_in_the_kernel(
    rig: Rig, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    served: list[str] = []
    serve = TcpServer._serve

    def noting(server: TcpServer, host: str, sock: socket.SocketType) -> None:
        served.append(host)
        serve(server, host, sock)

    monkeypatch.setattr(TcpServer, "_serve", noting)

    async def main() -> None:
        newcomer = "127.0.9.1"
        with socket.create_server(("127.0.0.1", 0), backlog=200) as sock, contextlib.ExitStack() as opened:
            for host in [*(f"127.0.{1 + number % 3}.{1 + number % 50}" for number in range(150)), newcomer]:
                opened.enter_context(socket.create_connection(sock.getsockname(), source_address=(host, 0)))
            server = TcpServer(rig.resolver)
            server.start(sock)
            (acceptor,) = server._acceptors
            acceptor._budget = PATIENCE  # as on a machine that is fast enough
            await until(lambda: len(served) == 151)
            assert served.index(newcomer) < 2 * line.AT_ONCE
            server.close()
            await until(lambda: not server.connections)

    run(main())


def connected(server: TcpServer, sock: socket.socket, host: str) -> socket.socket:
    """Connect, and have the server put it in line: the loop gets no turn in which it could be served."""
    client = socket.create_connection(sock.getsockname(), source_address=(host, 0))
    for acceptor in server._acceptors:
        acceptor._accept()
    return client


def test_of_more_than_may_wait_in_line_those_of_who_has_most_are_closed_and_counted(rig: Rig, run: Run) -> None:
    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0)) as sock:
            server = TcpServer(rig.resolver, bounds=Bounds(5, 20, 16), row=rig.row)
            server.start(sock)
            crowd = [connected(server, sock, "127.0.1.1") for _ in range(6)]
            newcomer = connected(server, sock, "127.0.2.1")
            assert len(server._line) == 16 // line.PART
            for client in crowd[:3]:
                assert client.recv(1) == b"", "the first ones have to leave"
            server.close()
            for client in (*crowd[3:], newcomer):
                assert client.recv(1) == b"", "those that wait are closed with the server"
            for client in (*crowd, newcomer):
                client.close()

    run(main())
    assert rig.counters.connections_closed(Transport.TCP) == [0, 0, 3, 0, 0, 0]


def test_a_front_end_does_not_wait_in_line(rig: Rig, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rig.resolver.clients, "is_front_end", lambda host: host == "127.0.1.1")

    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0)) as sock:
            server = TcpServer(rig.resolver)
            server.start(sock)
            clients = [connected(server, sock, host) for host in ("127.0.2.1", "127.0.1.1")]
            assert len(server._line) == 1
            assert len(server.connections) == 1
            for client in clients:
                client.close()
            server.close()
            await until(lambda: not server.connections)

    run(main())


def test_clients_and_primaries_may_connect(rig: Rig) -> None:
    class Primaries:
        def answer(self, packet: bytes, host: str) -> bytes | None:
            raise AssertionError

        def expects(self, host: str) -> bool:
            return host == "198.51.100.53"

    resolver = rig.resolver
    assert [resolver.may_connect(host) for host in ("127.0.0.1", "198.51.100.53")] == [True, False]
    resolver._notify = Primaries()
    assert [resolver.may_connect(host) for host in ("198.51.100.53", "198.51.100.54")] == [True, False]


def test_the_machine_itself_may_connect_for_its_self_test(rig: Rig, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rig.resolver, "may_connect", lambda _: False)

    async def main() -> None:
        async with serving(rig) as served:
            client = await served.connect()
            client.send(question(LISTED))
            assert await client.receive()

    run(main())


def test_the_idle_time_shrinks_with_the_free_places(rig: Rig, run: Run) -> None:
    async def main() -> None:
        async with serving(rig, idle=10.0, bounds=Bounds(100, 100, 10)) as served:
            seconds = []
            for number in range(1, 12):
                await served.connect()
                await connections(served, min(number, 10))
                seconds.append(served.server.idle_seconds())
            assert seconds == [10.0] * 5 + [8.0, 6.0, 4.0, 2.0, stream_server.MIN_IDLE, stream_server.MIN_IDLE]

    run(main())


def test_a_connection_keeps_the_idle_time_that_it_was_told(rig: Rig, run: Run) -> None:
    async def main() -> None:
        async with serving(rig) as served:
            told = await served.connect()
            told.send(question(LISTED))
            await told.receive()
            served.server.idle = 0.02
            other = await served.connect()
            assert await other.ended()
            told.send(question(LISTED))
            assert (await told.receive()).answer
            assert await told.ended(), "it was told another one with this answer"

    run(main())


def test_an_answer_that_is_waited_for_leaves_the_idle_time_that_was_told_with_its_question(
    rig: Rig, upstream: UpstreamSimulator, run: Run
) -> None:
    async def main() -> None:
        async with serving(rig) as served:
            client = await served.connect()
            (connection,) = await connections(served, 1)
            with upstream.held():
                client.send(question("slow.example"))
                await asyncio.to_thread(upstream.wait_for, 1)
                served.server.idle = 0.02
            await client.receive()
            assert connection._deadline > asyncio.get_running_loop().time() + NEVER / 2

    run(main())
