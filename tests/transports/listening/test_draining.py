"""A process that is replaced answers what has come, over every transport, and leaves the rest to its successor."""

from __future__ import annotations

import asyncio
import os
import socket
from pathlib import Path

import dns.edns

from blockd.dns import types
from blockd.transports import TcpServer, UdpServer
from blockd.transports.admitting_server import ACCEPTS_ON, QUIET
from blockd.transports.listening.draining import BUSY, MOST, drain
from blockd.transports.stream_server import StreamServer
from blockd.transports.tcp_connection import TcpConnection
from tests.resolver.rig import Rig, question
from tests.transports.connections import LISTED, framed, serving
from tests.transports.loops import Run, until
from tests.transports.test_udp import asking, receive
from tests.upstream import UpstreamSimulator


class Clock:
    """Time that a test lets pass."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def bound() -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", 0))
    return sock


def test_what_waits_for_upstreams_is_answered_and_the_rest_is_left_in_the_socket(
    rig: Rig, upstream: UpstreamSimulator, run: Run
) -> None:
    async def main() -> None:
        with bound() as sock, asking(sock.getsockname()[1]) as client:
            server = UdpServer([sock], rig.resolver)
            rig.resolver.ask_upstreams(server.answer_later)
            with upstream.held():
                client.send(question("waits.example").to_wire())
                await asyncio.to_thread(upstream.wait_for, 1)
                draining = asyncio.create_task(drain([server], ()))
                await until(lambda: not server._descriptors)
                client.send(question(LISTED).to_wire())
                await asyncio.sleep(0)
                assert not draining.done()
            assert (await receive(client)).question[0].name.to_text() == "waits.example."
            assert await draining
            assert rig.counters.queries()[0] == 1
            successor = UdpServer([sock], rig.resolver)
            assert (await receive(client)).answer
            await successor.close()
            rig.resolver.close()

    run(main())


def test_a_socket_that_goes_is_read_empty(rig: Rig, run: Run) -> None:
    async def main() -> None:
        clock = Clock()
        with bound() as sock, asking(sock.getsockname()[1]) as client:
            server = UdpServer([sock], rig.resolver)
            rig.resolver.ask_upstreams(server.answer_later)
            draining = asyncio.create_task(drain([server], [sock.fileno()], clock))
            for _ in range(3):
                client.send(question(LISTED).to_wire())
                assert (await receive(client)).answer
            assert not draining.done()
            clock.now = UdpServer.takes_on
            assert await draining
            rig.resolver.close()

    run(main())


def test_a_quiet_connection_ends_and_a_new_one_is_left_to_the_successor(rig: Rig, run: Run) -> None:
    async def main() -> None:
        async with serving(rig) as served:
            client = await served.connect()
            client.send(question(LISTED))
            await client.receive()
            draining = asyncio.create_task(drain([served.server], ()))
            assert await client.ended()
            assert await draining
            late = await served.connect()
            late.send(question(LISTED))
            with socket.socket(fileno=socket.dup(served_descriptor(served.address))) as sock:
                successor = TcpServer(rig.resolver)
                successor.start(sock)
                assert (await late.receive()).answer
                late.writer.close()
                await until(lambda: not len(successor.connections))
                successor.close()

    run(main())


def served_descriptor(address: tuple[str, int]) -> int:
    """Return the descriptor of this process that listens on an address."""
    for entry in Path("/proc/self/fd").iterdir():
        try:
            with socket.socket(fileno=socket.dup(int(entry.name))) as sock:
                if sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) and sock.getsockname() == address:
                    return int(entry.name)
        except OSError:
            continue
    raise AssertionError("nobody listens there")


def test_a_question_that_waits_is_answered_before_its_connection_ends(
    rig: Rig, upstream: UpstreamSimulator, run: Run
) -> None:
    async def main() -> None:
        async with serving(rig) as served:
            client = await served.connect()
            with upstream.held():
                client.send(question("waits.example"))
                await asyncio.to_thread(upstream.wait_for, 1)
                draining = asyncio.create_task(drain([served.server], ()))
                client.send(question(LISTED))
                assert (await client.receive()).answer
            assert (await client.receive()).question[0].name.to_text() == "waits.example."
            assert await client.ended()
            assert await draining

    run(main())


def test_a_client_that_asks_on_is_answered_until_it_has_been_told_for_long_enough(rig: Rig, run: Run) -> None:
    async def main() -> None:
        clock = Clock()
        async with serving(rig) as served:
            client = await served.connect()
            client.send(question(LISTED))
            await client.receive()
            draining = asyncio.create_task(drain([served.server], (), clock))
            loop = asyncio.get_running_loop()
            until_ = loop.time() + 3 * QUIET
            while loop.time() < until_:  # never quiet
                client.send(question(LISTED))
                assert (await client.receive()).answer
            assert not draining.done()
            clock.now = BUSY
            assert await client.ended()
            assert await draining

    run(main())


def test_a_client_that_asks_is_told_to_ask_elsewhere_soon(rig: Rig, run: Run) -> None:
    async def main() -> None:
        async with serving(rig) as served:
            client = await served.connect()
            client.send(question(LISTED))
            await client.receive()
            served.server.drain()
            query = question(LISTED)
            query.use_edns(options=[dns.edns.GenericOption(dns.edns.OptionType(types.KEEPALIVE_OPTION), b"")])
            client.send(query)
            (option,) = [one for one in (await client.receive()).options if one.otype == types.KEEPALIVE_OPTION]
            assert int.from_bytes(option.to_wire()) == int(QUIET * 10)  # RFC 7828 section 3.1: units of 100 ms

    run(main())


def test_a_socket_that_goes_is_accepted_from_for_a_while(rig: Rig, run: Run) -> None:
    async def main() -> None:
        clock = Clock()
        async with serving(rig) as served:
            going = served_descriptor(served.address)
            (acceptor,) = served.server._acceptors
            assert acceptor.fileno() == going
            draining = asyncio.create_task(drain([served.server], [going], clock))
            late = await served.connect()
            late.send(question(LISTED))
            assert (await late.receive()).answer
            assert await late.ended()
            assert not draining.done()
            clock.now = ACCEPTS_ON
            assert await draining

    run(main())


def test_draining_ends_at_last(rig: Rig, upstream: UpstreamSimulator, run: Run) -> None:
    async def main() -> None:
        clock = Clock()
        async with serving(rig) as served:
            client = await served.connect()
            with upstream.held():
                client.send(question("waits.example"))
                await asyncio.to_thread(upstream.wait_for, 1)
                draining = asyncio.create_task(drain([served.server], (), clock))
                await until(lambda: served.server.is_draining)
                clock.now = MOST
                assert not await draining
            client.writer.close()

    run(main())


def test_a_connection_over_tcp_goes_on_at_the_heir_in_the_middle_of_a_question(rig: Rig, run: Run) -> None:
    async def main() -> None:
        heir = TcpServer(rig.resolver)

        def adopt(descriptor: int, octets: bytes) -> bool:
            host = socket.socket(fileno=os.dup(descriptor))
            heir.adopt("127.0.0.1", socket.SocketType(socket.AF_INET, socket.SOCK_STREAM, 0, host.detach()), octets)
            return True

        async with serving(rig) as served:
            asking, idle, cut = [await served.connect() for _ in range(3)]
            for client in (asking, cut):
                client.send(question(LISTED))
                assert (await client.receive()).answer
            octets = framed(question(LISTED).to_wire())
            cut.writer.write(octets[:5])
            await until(lambda: sum(len(one._buffer) for one in tcp(served.server)) == 5)
            served.server.heir = adopt  # type: ignore[attr-defined]
            assert await drain([served.server], ())
            assert len(heir.connections) == 3
            cut.writer.write(octets[5:])
            for client in (asking, idle):
                client.send(question(LISTED))
            for client in (asking, idle, cut):
                assert (await client.receive()).answer
            served.leave()
            await until(lambda: not len(heir.connections))
            heir.close()

    run(main())


def test_a_connection_is_passed_on_once_its_question_is_answered(
    rig: Rig, upstream: UpstreamSimulator, run: Run
) -> None:
    async def main() -> None:
        passed: list[bytes] = []

        def take(_: int, octets: bytes) -> bool:
            passed.append(octets)
            return len(passed) > 1  # there is no room at first

        async with serving(rig) as served:
            client = await served.connect()
            served.server.heir = take  # type: ignore[attr-defined]
            with upstream.held():
                client.send(question("waits.example"))
                await asyncio.to_thread(upstream.wait_for, 1)
                draining = asyncio.create_task(drain([served.server], ()))
                await until(lambda: served.server.is_draining)
                assert not passed
            assert (await client.receive()).question
            assert await draining
            assert passed == [b"", b""]

    run(main())


def tcp(server: StreamServer) -> list[TcpConnection]:
    return [one for one in server.connections if isinstance(one, TcpConnection)]
