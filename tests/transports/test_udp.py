from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import dns.edns
import dns.flags
import dns.message
import dns.rcode
import pytest

from blockd.metrics import Transport
from blockd.resolver import QueryContext, places
from blockd.resolver.engine.twin import BATCH
from blockd.resolver.waiting import AT_ONCE, TOO_MANY
from blockd.transports import UdpServer
from tests.resolver.rig import Rig, order, question
from tests.transports.loops import Run, until
from tests.upstream import UpstreamSimulator

IP_PKTINFO = 8  # the socket module names it only from Python 3.14 on
LISTED = "web.telegram.org"


@pytest.fixture
def rig(tmp_path: Path, upstream: UpstreamSimulator) -> Rig:
    """A pipeline that blocks telegram.org, and has no socket open when nobody waits."""
    made = Rig(tmp_path, upstream.upstream)
    made.enforce([(order(), ["telegram.org"])])
    return made


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


def test_one_question_more_than_may_wait_is_a_failure_at_once(
    rig: Rig, upstream: UpstreamSimulator, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(places, "MAX_WAITING", 2)

    async def main() -> None:
        async with serving(rig) as (_, port):
            with asking(port) as sock:
                with upstream.held():
                    for number in range(3):
                        query = question(f"{number}.www.example", use_edns=0)
                        query.id = number
                        sock.send(query.to_wire())
                    refused = await receive(sock)
                    assert (refused.id, refused.rcode()) == (2, dns.rcode.SERVFAIL)
                    assert refused.options[0] == dns.edns.EDEOption(dns.edns.EDECode.NETWORK_ERROR, TOO_MANY)
                    sock.send(question(LISTED).to_wire())
                    assert (await receive(sock)).answer, "what needs no upstream is still answered"
                    over_tcp = rig.resolver.begin(question("3.www.example").to_wire(), "127.0.0.1", Transport.TCP)
                    assert isinstance(over_tcp, QueryContext)
                    said: list[bytes | None] = []
                    assert rig.resolver.answer_later(over_tcp, said.append) is None, "all transports share the room"
                    assert said[0] is not None
                    assert dns.message.from_wire(said[0]).rcode() == dns.rcode.SERVFAIL
                    await asyncio.to_thread(upstream.wait_for, 2)
                assert {(await receive(sock)).id for _ in range(2)} == {0, 1}
                sock.send(question("4.example").to_wire())
                assert (await receive(sock)).rcode() == dns.rcode.NXDOMAIN, "there is room again"

    run(main())
    assert len(upstream.seen) == 3
    assert rig.counters.answers()[dns.rcode.SERVFAIL] == 2


def test_those_who_wait_go_on_a_few_at_a_time(rig: Rig, upstream: UpstreamSimulator, run: Run) -> None:
    turn = 0
    answered: list[int] = []

    async def main() -> None:
        nonlocal turn
        loop = asyncio.get_running_loop()

        def count() -> None:
            nonlocal turn
            turn += 1
            loop.call_soon(count)

        count()
        with upstream.held():
            for _ in range(AT_ONCE * 3):
                begun = rig.resolver.begin(question("www.example").to_wire(), "127.0.0.1", Transport.UDP)
                assert isinstance(begun, QueryContext)
                rig.resolver.answer_later(begun, lambda _: answered.append(turn))
            await asyncio.to_thread(upstream.wait_for, 1)
        await until(lambda: len(answered) == AT_ONCE * 3)

    run(main())
    assert len(upstream.seen) == 1, "one answer for all of them"
    assert max(answered.count(turn) for turn in answered) <= AT_ONCE


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
