from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Iterator

import dns.message
import dns.rcode
import pytest

from blockd.transports import tcp
from tests.resolver.rig import Rig, question
from tests.transports.connections import LISTED, Serving, connections, framed, serving
from tests.transports.loops import Run
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

            async def trickle() -> None:
                while not client.writer.is_closing():
                    client.writer.write(b"\x40")
                    with contextlib.suppress(ConnectionError):
                        await client.writer.drain()
                    await asyncio.sleep(0)

            trickling = asyncio.ensure_future(trickle())
            assert await client.ended()
            trickling.cancel()
            await asyncio.wait([trickling])

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


@pytest.mark.parametrize("limit", ["MAX_CONNECTIONS", "MAX_CONNECTIONS_PER_CLIENT"])
def test_one_connection_too_many_is_ended_at_once(
    rig: Rig, run: Run, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    monkeypatch.setattr(tcp, limit, 2)

    async def main() -> None:
        async with serving(rig) as served:
            first, second = await served.connect(), await served.connect()
            await connections(served, 2)
            third = await served.connect()
            assert await third.ended()
            for client in (first, second):
                client.send(question(LISTED))
                assert await client.receive()
            first.writer.transport.abort()
            await connections(served, 1)
            fourth = await served.connect()
            fourth.send(question(LISTED))
            assert await fourth.receive()

    run(main())


@contextlib.contextmanager
def deaf_client(served: Serving) -> Iterator[socket.socket]:
    """Connect a client that reads nothing, for which both kernels take little: they would swallow 2.8 MB otherwise."""
    assert served.server._server is not None
    (listening,) = served.server._server.sockets
    with socket.socket(fileno=os.dup(listening.fileno())) as listener, socket.socket() as sock:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)  # what it accepts has it from there
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.connect(served.address)
        sock.setblocking(False)
        yield sock


def test_a_client_that_never_reads_is_cut_off(rig: Rig, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tcp, "MAX_UNSENT", 10_000)

    async def main() -> None:
        async with serving(rig) as served:
            with deaf_client(served) as sock:
                loop = asyncio.get_running_loop()
                await connections(served, 1)
                octets = framed(question(LISTED).to_wire()) * 100
                with contextlib.suppress(ConnectionError):
                    while served.server.connections:
                        await loop.sock_sendall(sock, octets)
                        await asyncio.sleep(0)
                await connections(served, 0)

    run(main())


def test_a_client_that_never_reads_does_not_keep_an_ended_connection(rig: Rig, run: Run) -> None:
    async def main() -> None:
        async with serving(rig) as served:
            with deaf_client(served) as sock:
                loop = asyncio.get_running_loop()
                (connection,) = await connections(served, 1)
                octets = framed(question(LISTED).to_wire()) * 10
                transport = connection._transport
                assert transport is not None
                while not transport.get_write_buffer_size():
                    await loop.sock_sendall(sock, octets)
                    await asyncio.sleep(0)
                served.server.idle = 0.05  # counts from the next question
                await loop.sock_sendall(sock, octets)
                await connections(served, 0)

    run(main())
