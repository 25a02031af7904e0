from __future__ import annotations

import asyncio
import itertools
import socket
import struct
from typing import Any

import dns.edns
import dns.message
import dns.rcode
import pytest

from blockd.metrics import Transport
from blockd.resolver import Outcome, Pending
from blockd.transports.client_stream import MAX_PIPELINED
from blockd.transports.turns import TakingTurns
from tests.resolver.rig import Rig, question
from tests.transports.connections import LISTED, connections, framed, numbered, serving
from tests.transports.loops import Run, until
from tests.upstream import UpstreamSimulator


def test_a_question_is_answered_and_the_connection_stays_open(rig: Rig, upstream: UpstreamSimulator, run: Run) -> None:
    upstream.plan("www.example", "A", "www.example. 300 IN A 198.51.100.1")

    async def main() -> None:
        async with serving(rig) as served:
            client = await served.connect()
            for name, address in ((LISTED, "192.0.2.80"), ("www.example", "198.51.100.1"), (LISTED, "192.0.2.80")):
                query = question(name)
                client.send(query)
                answer = await client.receive()
                assert query.is_response(answer)
                assert answer.answer[0][0].to_text() == address

    run(main())
    assert rig.counters.queries()[Transport.TCP] == 3


def test_a_length_and_a_message_may_come_in_any_pieces(rig: Rig, run: Run) -> None:
    async def main() -> None:
        async with serving(rig) as served:
            client = await served.connect()
            sock = client.writer.get_extra_info("socket")
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            (connection,) = await connections(served, 1)
            octets = framed(question(LISTED).to_wire())
            for end in range(1, len(octets)):
                client.writer.write(octets[end - 1 : end])
                await until(lambda end=end: len(connection._buffer) == end)  # type: ignore[misc]
            client.writer.write(octets[-1:] + octets[:1])
            assert (await client.receive()).answer
            client.writer.write(octets[1:])
            assert (await client.receive()).answer

    run(main())


def test_answers_come_as_they_are_ready(rig: Rig, upstream: UpstreamSimulator, run: Run) -> None:
    async def main() -> None:
        async with serving(rig) as served:
            client = await served.connect()
            with upstream.held():
                client.send(*numbered(["slow.example", LISTED, LISTED]))
                assert [(await client.receive()).id for _ in range(2)] == [1, 2]
            assert (await client.receive()).id == 0

    run(main())


@pytest.mark.parametrize("count", [MAX_PIPELINED, MAX_PIPELINED + 1, 3 * MAX_PIPELINED + 50])
def test_more_questions_than_may_wait_are_all_answered(
    rig: Rig, upstream: UpstreamSimulator, run: Run, count: int
) -> None:
    async def main() -> None:
        async with serving(rig) as served:
            client = await served.connect()
            with upstream.held():
                client.send(*numbered([f"{number}.example" for number in range(count)]))
                await asyncio.to_thread(upstream.wait_for, MAX_PIPELINED)
            assert {(await client.receive()).id for _ in range(count)} == set(range(count))

    run(main())
    assert len(upstream.seen) == count


def test_no_more_questions_than_allowed_wait_for_upstreams(rig: Rig, upstream: UpstreamSimulator, run: Run) -> None:
    async def main() -> None:
        async with serving(rig) as served:
            client = await served.connect()
            with upstream.held():
                client.send(*numbered([f"{number}.example" for number in range(MAX_PIPELINED + 20)]))
                await asyncio.to_thread(upstream.wait_for, MAX_PIPELINED)
                other = await served.connect()
                other.send(question(LISTED))
                await other.receive()
                assert len(upstream.seen) == MAX_PIPELINED
            for _ in range(MAX_PIPELINED + 20):
                await client.receive()

    run(main())


def test_a_burst_that_needs_no_upstream_is_answered_in_order(rig: Rig, run: Run) -> None:
    async def main() -> None:
        async with serving(rig) as served:
            client = await served.connect()
            client.send(*numbered([LISTED] * 1000))
            assert [(await client.receive()).id for _ in range(1000)] == list(range(1000))

    run(main())


def test_a_burst_of_one_client_lets_others_have_their_turn(rig: Rig, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[int] = []
    turns: list[int] = []
    ask = rig.resolver.ask

    def counted(*question: Any) -> bytes | Outcome | Pending | None:
        taken.append(len(turns))
        return ask(*question)

    monkeypatch.setattr(rig.resolver, "ask", counted)

    async def main() -> None:
        loop = asyncio.get_running_loop()

        def turn() -> None:
            turns.append(1)
            loop.call_soon(turn)

        async with serving(rig) as served:
            served.server.turns = TakingTurns(itertools.count().__next__)  # each look at the clock takes a second
            clients = [await served.connect() for _ in range(3)]
            loop.call_soon(turn)
            for client in clients:
                client.send(*numbered([LISTED] * 100))
            for client in clients:
                assert [(await client.receive()).id for _ in range(100)] == list(range(100))

    run(main())
    assert max(taken.count(turn) for turn in set(taken)) == 1


def test_a_client_that_asks_is_told_how_long_its_connection_may_be_idle(rig: Rig, run: Run) -> None:
    async def main() -> None:
        async with serving(rig) as served:
            client = await served.connect()
            keepalive = dns.edns.GenericOption(dns.edns.OptionType(11), b"")
            client.send(question(LISTED, use_edns=0, options=[keepalive]))
            answer = await client.receive()
            units = round(served.server.idle * 10).to_bytes(2)
            assert (11, units) in [(int(option.otype), option.to_wire()) for option in answer.options]

    run(main())


def test_a_half_closed_connection_gets_what_it_is_owed(rig: Rig, upstream: UpstreamSimulator, run: Run) -> None:
    async def main() -> None:
        async with serving(rig) as served:
            client = await served.connect()
            with upstream.held():
                client.send(*numbered(["one.example", "two.example", LISTED]))
                client.writer.write_eof()
                await asyncio.to_thread(upstream.wait_for, 2)
                assert (await client.receive()).id == 2
            assert {(await client.receive()).id for _ in range(2)} == {0, 1}
            assert await client.ended()

    run(main())


def test_a_half_closed_connection_with_more_than_may_wait(rig: Rig, upstream: UpstreamSimulator, run: Run) -> None:
    count = MAX_PIPELINED * 2

    async def main() -> None:
        async with serving(rig) as served:
            client = await served.connect()
            with upstream.held():
                client.send(*numbered([f"{number}.example" for number in range(count)]))
                client.writer.write_eof()
                await asyncio.to_thread(upstream.wait_for, MAX_PIPELINED)
            assert {(await client.receive()).id for _ in range(count)} == set(range(count))
            assert await client.ended()

    run(main())


def test_a_half_closed_connection_that_is_owed_nothing_ends(rig: Rig, run: Run) -> None:
    async def main() -> None:
        async with serving(rig) as served:
            client = await served.connect()
            client.send(question(LISTED))
            client.writer.write(b"\0")
            client.writer.write_eof()
            await client.receive()
            assert await client.ended()

    run(main())


@pytest.mark.parametrize("octets", [b"\0\0", b"\0\1\xff", framed(b"\xff" * 12), framed(b"\0\7\x81\x80" + bytes(8))])
def test_what_is_no_question_ends_the_connection(rig: Rig, run: Run, octets: bytes) -> None:
    async def main() -> None:
        async with serving(rig) as served:
            client = await served.connect()
            client.send(question(LISTED))
            assert (await client.receive()).answer
            client.writer.write(octets)
            client.send(question(LISTED))
            assert await client.ended()

    run(main())


@pytest.mark.parametrize("octets", [framed(bytes(12)), framed(bytes(65535))])
def test_garbage_is_passed_over(rig: Rig, run: Run, octets: bytes) -> None:
    async def main() -> None:
        async with serving(rig) as served:
            client = await served.connect()
            client.writer.write(octets)
            query = question(LISTED)
            client.send(query)
            answer = await client.receive()
            if not query.is_response(answer):
                assert answer.rcode() in (dns.rcode.FORMERR, dns.rcode.NOTIMP)
                answer = await client.receive()
            assert query.is_response(answer)

    run(main())


def test_a_client_that_leaves_takes_nothing_with_it(rig: Rig, upstream: UpstreamSimulator, run: Run) -> None:
    async def main() -> None:
        async with serving(rig) as served:
            client, other = await served.connect(), await served.connect()
            await connections(served, 2)
            with upstream.held():
                client.send(question("slow.example"))
                await asyncio.to_thread(upstream.wait_for, 1)
                sock = client.writer.get_extra_info("socket")
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # leave with RST
                client.writer.transport.abort()
                await connections(served, 1)
            other.send(question("slow.example"))
            assert await other.receive()

    run(main())
    assert len(upstream.seen) == 1


def test_closing_ends_connections(rig: Rig, run: Run) -> None:
    async def main() -> None:
        async with serving(rig) as served:
            client = await served.connect()
            client.send(question(LISTED))
            await client.receive()
            served.server.close()
            assert await client.ended()

    run(main())
