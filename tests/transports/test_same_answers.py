"""The same questions over each transport have the same answers but for ID, padding and TC."""

from __future__ import annotations

import asyncio
import contextlib
import socket

from blockd.transports import DotServer, TcpServer, UdpServer
from tests.resolver.rig import Rig
from tests.transports.connections import framed, serving
from tests.transports.loops import Run
from tests.transports.same_questions import essence, is_cut, prepare, questions
from tests.transports.test_dot import ANY_PACE, over_tls, secured
from tests.upstream import UpstreamSimulator

COUNT = 2000
AT_ONCE = 50  # questions that are under way: no buffer is full


async def over_udp(rig: Rig, asked: list[bytes]) -> dict[int, bytes]:
    """Ask over UDP; return the answers by their ID."""
    loop = asyncio.get_running_loop()
    answers: dict[int, bytes] = {}
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock, contextlib.ExitStack() as stack:
        sock.bind(("127.0.0.1", 0))
        server = UdpServer([sock], rig.resolver)
        client = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK))
        client.connect(sock.getsockname())
        for at in range(0, len(asked), AT_ONCE):
            part = asked[at : at + AT_ONCE]
            for octets in part:
                client.send(octets)
            for _ in part:
                answer = await loop.sock_recv(client, 65535)
                answers[int.from_bytes(answer[:2])] = answer
        await server.close()
    return answers


async def over_stream(rig: Rig, asked: list[bytes], kind: type[TcpServer]) -> dict[int, bytes]:
    """Ask over TCP or DoT, on one connection; return the answers by their ID."""
    answers: dict[int, bytes] = {}
    made = over_tls(rig) if kind is DotServer else serving(rig, pace=ANY_PACE)
    async with made as served:
        client = await (secured(served) if kind is DotServer else served.connect())
        for at in range(0, len(asked), AT_ONCE):
            part = asked[at : at + AT_ONCE]
            client.writer.write(b"".join(map(framed, part)))
            for _ in part:
                answer = await client.reader.readexactly(int.from_bytes(await client.reader.readexactly(2)))
                answers[int.from_bytes(answer[:2])] = answer
    return answers


def test_two_thousand_questions_have_the_same_answers_over_udp_tcp_and_dot(
    rig: Rig, upstream: UpstreamSimulator, run: Run
) -> None:
    prepare(rig, upstream)
    asked = questions(rig, COUNT)

    async def main() -> None:
        udp, tcp, dot = (
            await over_udp(rig, asked),
            await over_stream(rig, asked, TcpServer),
            await over_stream(rig, asked, DotServer),
        )
        assert len(udp) == len(tcp) == len(dot) == COUNT
        assert not [number for number in range(COUNT) if essence(tcp[number]) != essence(dot[number])]
        for number in range(COUNT):
            one, other = essence(udp[number]), essence(tcp[number])
            assert other[: len(one)] == one, asked[number]
        cut = sum(map(is_cut, udp.values()))
        assert 0 < cut < COUNT // 4, "some do not fit, most do"
        assert not any(map(is_cut, [*tcp.values(), *dot.values()]))
        assert len({essence(answer)[1] for answer in dot.values()}) >= 6, "of many kinds"

    run(main())
