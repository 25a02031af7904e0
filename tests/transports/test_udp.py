from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator

import dns.flags
import dns.message
import dns.rcode
import pytest

from blockd.metrics import Transport
from blockd.resolver.engine.twin import BATCH
from blockd.transports import UdpServer, udp
from tests.resolver.rig import Rig, question
from tests.transports.loops import Run, until
from tests.upstream import UpstreamSimulator

IP_PKTINFO = 8  # the socket module names it only from Python 3.14 on
LISTED = "web.telegram.org"


@contextlib.asynccontextmanager
async def serving(rig: Rig, host: str = "127.0.0.1") -> AsyncIterator[tuple[UdpServer, int]]:
    """Serve on a socket as the supervisor binds it; yield the server and its port."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)
        sock.bind((host, 0))
        server = UdpServer([sock], rig.resolver)
        try:
            yield server, sock.getsockname()[1]
        finally:
            await server.close()


async def receive(sock: socket.socket) -> dns.message.Message:
    """Return the next message for a client."""
    return dns.message.from_wire(await asyncio.get_running_loop().sock_recv(sock, 65535))


def asking(port: int, host: str = "127.0.0.1") -> socket.socket:
    """Return a client's socket that receives from the server only."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    sock.connect((host, port))
    return sock


def test_listed_and_other_names_are_answered(rig: Rig, upstream: UpstreamSimulator, run: Run) -> None:
    upstream.plan("www.example", "A", "www.example. 300 IN A 198.51.100.1")

    async def main() -> None:
        async with serving(rig) as (_, port):
            with asking(port) as sock:
                for name, address in ((LISTED, "192.0.2.80"), ("www.example", "198.51.100.1")):
                    query = question(name)
                    sock.send(query.to_wire())
                    answer = await receive(sock)
                    assert query.is_response(answer)
                    assert answer.answer[0][0].to_text() == address

    run(main())


@pytest.mark.parametrize("name", [LISTED, "www.example"])
def test_a_wildcard_socket_answers_from_the_address_that_was_asked(rig: Rig, run: Run, name: str) -> None:
    async def main() -> None:
        async with serving(rig, "0.0.0.0") as (_, port):  # noqa: S104 - what is tested
            with asking(port, "127.0.0.2") as sock:  # connected: the kernel drops what comes from elsewhere
                sock.send(question(name).to_wire())
                assert await receive(sock)

    run(main())


def test_more_messages_than_a_batch_are_all_answered(rig: Rig, run: Run) -> None:
    async def main() -> None:
        async with serving(rig) as (_, port):
            with asking(port) as sock:
                queries = [question(LISTED) for _ in range(BATCH * 2 + 1)]
                for number, query in enumerate(queries):
                    query.id = number
                    sock.send(query.to_wire())
                answers = [await receive(sock) for _ in queries]
                assert sorted(answer.id for answer in answers) == list(range(len(queries)))

    run(main())


def test_garbage_is_passed_over(rig: Rig, run: Run) -> None:
    async def main() -> None:
        async with serving(rig) as (_, port):
            with asking(port) as sock:
                for octets in (b"", b"\0", b"\xff" * 12, b"\0\1\x81\x80" + bytes(8), b"\xff" * 9000):
                    sock.send(octets)
                query = question(LISTED)
                sock.send(query.to_wire())
                assert query.is_response(await receive(sock))

    run(main())


def test_a_question_longer_than_any_is_malformed(rig: Rig, run: Run) -> None:
    async def main() -> None:
        async with serving(rig) as (_, port):
            with asking(port) as sock:
                octets = question(LISTED).to_wire()
                opt = b"\0\0\x29\4\xd0\0\0\0\0" + (8000).to_bytes(2) + b"\xfd\xe9" + (7996).to_bytes(2) + bytes(7996)
                sock.send(octets[:11] + b"\1" + octets[12:] + opt)
                answer = await receive(sock)
                assert answer.rcode() == dns.rcode.FORMERR

    run(main())


def test_a_client_that_has_gone_harms_nobody(rig: Rig, upstream: UpstreamSimulator, run: Run) -> None:
    async def main() -> None:
        async with serving(rig) as (_, port):
            with upstream.held(), asking(port) as gone:
                gone.send(question("www.example").to_wire())
                await asyncio.to_thread(upstream.wait_for, 1)
            with asking(port) as sock:
                for _ in range(3):
                    sock.send(question(LISTED).to_wire())
                    assert await receive(sock)
                sock.send(question("www.example").to_wire())
                assert await receive(sock)

    run(main())


def test_closing_answers_what_waits(rig: Rig, upstream: UpstreamSimulator, run: Run) -> None:
    async def main() -> None:
        async with serving(rig) as (server, port):
            with asking(port) as sock:
                with upstream.held():
                    sock.send(question("www.example").to_wire())
                    await asyncio.to_thread(upstream.wait_for, 1)
                    closing = asyncio.ensure_future(server.close())
                    await until(lambda: not closing.done())
                await closing
                assert await receive(sock)

    run(main())


def test_one_question_more_than_may_wait_is_dropped(
    rig: Rig, upstream: UpstreamSimulator, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(udp, "MAX_WAITING", 2)

    async def main() -> None:
        async with serving(rig) as (_, port):
            with asking(port) as sock:
                with upstream.held():
                    for number in range(3):
                        query = question(f"{number}.example")
                        query.id = number
                        sock.send(query.to_wire())
                    sock.send(question(LISTED).to_wire())
                    assert (await receive(sock)).answer, "what needs no upstream is still answered"
                    await asyncio.to_thread(upstream.wait_for, 2)
                assert {(await receive(sock)).id for _ in range(2)} == {0, 1}

    run(main())
    assert len(upstream.seen) == 2


def test_ipv6_answers_from_the_address_that_was_asked(rig: Rig, run: Run) -> None:
    async def main() -> None:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
            try:
                sock.bind(("::", 0))
                asker = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
                asker.connect(("::1", sock.getsockname()[1]))
            except OSError:
                pytest.skip("this machine has no IPv6 loopback")
            server = UdpServer([sock], rig.resolver)
            with asker:
                asker.send(question(LISTED).to_wire())
                answer = await receive(asker)
                assert answer.rcode() == dns.rcode.REFUSED, "this rig serves 127.0.0.0/8 only"
            await server.close()

    run(main())


def test_questions_are_counted_under_their_transport(rig: Rig, run: Run) -> None:
    async def main() -> None:
        async with serving(rig) as (_, port):
            with asking(port) as sock:
                sock.send(question(LISTED).to_wire())
                answer = await receive(sock)
                assert answer.flags & dns.flags.QR

    run(main())
    assert rig.counters.queries()[Transport.UDP] == 1
    assert rig.counters.queries()[Transport.TCP] == 0
