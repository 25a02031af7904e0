"""Both engines behind real sockets, before a real upstream: every client gets the same octets from both."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import time
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import pytest

from blockd.metrics import counters
from blockd.transports import UdpServer
from tests.resolver import corpus
from tests.resolver.twins import Side, Twins, question_size, without_ttls
from tests.upstream import UpstreamSimulator

pytest.importorskip("blockd.resolver.engine._engine", reason="the native engine was not built")

IP_PKTINFO = 8  # the socket module names it only from Python 3.14 on
PATIENCE = 120.0  # seconds after which what a test waits for counts as missed
BURST = 40  # packets sent before answers are read, so that none is lost in a socket
MUTATED = 400
SEED = 53

PLANNED = {message[12 : 12 + size]: message[2:] for message in corpus.responses() if (size := question_size(message))}
NXDOMAIN = b"\x81\x83\0\1\0\0\0\0\0\0"


def answering(planned: dict[bytes, bytes]) -> Callable[[bytes], bytes]:
    """Return an upstream that answers questions as planned, and all others with NXDOMAIN."""

    def answer(query: bytes) -> bytes:
        size = question_size(query)
        assert size is not None
        asked = query[12 : 8 + size].lower() + query[8 + size : 12 + size]
        return query[:2] + planned.get(asked, NXDOMAIN + asked)

    return answer


class Ports:
    """Both engines, each serving a port of its own."""

    def __init__(self, family: socket.AddressFamily, served: list[tuple[Side, UdpServer, int]]) -> None:
        self._family = family
        self._served = served

    async def ask_all(self, packets: Sequence[bytes], host: str) -> None:
        """Send packets to both, and fail if answers or counters differ. The IDs are replaced by running numbers."""
        numbered = [number.to_bytes(2) + packet[2:] for number, packet in enumerate(packets)]
        said = [await self._ask(*served, numbered, host) for served in self._served]
        for number, packet in enumerate(numbered):
            native, python = said[0].get(packet[:2]), said[1].get(packet[:2])
            assert native == python, (number, packet.hex())
        native_row, python_row = (side.row.numbers for side, *_ in self._served)
        for first, behind in ((0, counters._CACHE_HITS), (counters._HITS, counters._CACHE_ENTRIES)):
            assert native_row[first:behind].tobytes() == python_row[first:behind].tobytes()
        # From the cache or not may depend on what came first, but each question is one of the two.
        asked_cache = [row[counters._CACHE_HITS] + row[counters._CACHE_MISSES] for row in (native_row, python_row)]
        assert asked_cache[0] == asked_cache[1]

    async def _ask(
        self, side: Side, server: UdpServer, port: int, packets: list[bytes], host: str
    ) -> dict[bytes, bytes]:
        loop = asyncio.get_running_loop()
        heard: dict[bytes, bytes] = {}

        with socket.socket(self._family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as sock:
            sock.connect((host, port))

            def read() -> None:
                with contextlib.suppress(BlockingIOError):
                    while True:
                        answer = sock.recv(65535)
                        assert answer[:2] not in heard, "one answer for one question"
                        heard[answer[:2]] = without_ttls(answer)

            loop.add_reader(sock, read)
            counted = sum(side.row.numbers[: len(counters.Transport)])
            for start in range(0, len(packets), BURST):
                part = packets[start : start + BURST]
                for packet in part:
                    sock.send(packet)
                counted += len(part)  # whatever it is, it is counted when it is answered, or when it is not
                while sum(side.row.numbers[: len(counters.Transport)]) < counted:  # noqa: ASYNC110 - it has no event
                    await asyncio.sleep(0.001)
            while server._waiting:  # noqa: ASYNC110 - what is answered late is counted first and then sent
                await asyncio.sleep(0.001)
            read()
            loop.remove_reader(sock)
        return heard


def bound(family: socket.AddressFamily, host: str) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_DGRAM)
    if family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
    else:
        sock.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)
    try:
        sock.bind((host, 0))
    except OSError:
        sock.close()
        pytest.skip(f"this machine has no {host}")
    return sock


@contextlib.asynccontextmanager
async def serving(twins: Twins, family: socket.AddressFamily, host: str) -> AsyncIterator[Ports]:
    """Serve with both engines, each with its upstreams, until the end of the block."""
    async with contextlib.AsyncExitStack() as stack:
        served = []
        for side in twins.sides:
            sock = stack.enter_context(bound(family, host))
            server = UdpServer([sock], side.resolver)
            stack.push_async_callback(server.close)
            side.resolver.ask_upstreams(server.answer_later)
            stack.callback(side.resolver.close)
            served.append((side, server, sock.getsockname()[1]))
        yield Ports(family, served)


def run(twins: Twins, family: socket.AddressFamily, host: str, test: Callable[[Ports], object]) -> None:
    async def main() -> None:
        async with asyncio.timeout(PATIENCE), serving(twins, family, host) as ports:
            await test(ports)  # type: ignore[misc]

    asyncio.run(main())


@pytest.fixture
def twins(tmp_path: Path, upstream: UpstreamSimulator, monkeypatch: pytest.MonkeyPatch) -> Twins:
    """Both engines on the corpus's ruleset, with the clock that the native one reads itself."""
    upstream.make = answering(PLANNED)
    made = Twins(tmp_path, upstream.upstream)
    monkeypatch.setattr(type(made.clock), "__call__", lambda _: time.monotonic())
    made.enforce(corpus.feeds())
    return made


def test_every_question_of_the_corpus_first_and_from_the_cache(twins: Twins) -> None:
    questions = [packet for packet in corpus.questions() if len(packet) > 2]

    async def test(ports: Ports) -> None:
        for _ in range(2):
            await ports.ask_all(questions, "127.0.0.1")

    run(twins, socket.AF_INET, "127.0.0.1", test)


@pytest.mark.parametrize(
    ("family", "listening", "asked"),
    [
        (socket.AF_INET, "0.0.0.0", "127.0.0.3"),  # noqa: S104 - what is tested
        (socket.AF_INET6, "::", "::1"),
        (socket.AF_INET6, "::1", "::1"),
    ],
)
def test_the_address_that_was_asked_answers(
    twins: Twins, family: socket.AddressFamily, listening: str, asked: str
) -> None:
    questions = [packet for packet in corpus.questions() if len(packet) > 2][::9]

    async def test(ports: Ports) -> None:
        for _ in range(2):
            await ports.ask_all(questions, asked)  # by a connected socket, which hears nobody else

    run(twins, family, listening, test)


def mutated(chance: random.Random, number: int) -> tuple[bytes, bytes]:
    """Return a question that was not asked before, and a damaged answer of an upstream to it."""
    message = b"\0\0" + chance.choice(list(PLANNED.values()))
    size = question_size(message)
    assert size is not None
    label = b"%03x" % number
    asked = message[12:13] + label + message[16 : 12 + size]
    octets = bytearray(message[2:12] + asked + message[12 + size :])
    for _ in range(chance.randrange(3)):
        place = chance.choice((0, 1, 4, 5, 6, 7, 8, 9, *range(10 + size, len(octets))))
        octets[place] = chance.randrange(256) if place else octets[place] ^ chance.randrange(8)  # it stays an answer
    cut = min(chance.choice((0, 0, 0, 0, 1, 2)), len(octets) - 10 - size)  # with less than its question it is lost
    return asked, bytes(octets[: len(octets) - cut]) + chance.randbytes(chance.choice((0, 0, 0, 0, 1, 11)))


def test_damaged_answers_of_upstreams_lead_to_the_same_answers(twins: Twins, upstream: UpstreamSimulator) -> None:
    chance = random.Random(SEED)  # noqa: S311 - a test repeats itself
    made = dict(mutated(chance, number) for number in range(MUTATED))
    upstream.make = answering(made)
    packets = [
        b"\0\0\1\0\0\1\0\0\0\0\0" + (b"\1" + asked + corpus.OPT if number % 2 else b"\0" + asked)
        for number, asked in enumerate(made)
    ]

    async def test(ports: Ports) -> None:
        await ports.ask_all(packets, "127.0.0.1")

    run(twins, socket.AF_INET, "127.0.0.1", test)


def test_first_questions_miss_the_cache_and_second_ones_hit_it(twins: Twins, upstream: UpstreamSimulator) -> None:
    packets = [
        corpus.question("open.example", "A", use_edns=0),
        corpus.question("gone.example", "A"),
        corpus.question("exact.example", "A"),
    ]

    async def test(ports: Ports) -> None:
        for hits in (0, 2):
            await ports.ask_all(packets, "127.0.0.1")
            for side in twins.sides:
                row = side.row.numbers
                assert (row[counters._CACHE_HITS], row[counters._CACHE_MISSES]) == (hits, 2)
                assert row[counters._CACHE_ENTRIES] == 2

    run(twins, socket.AF_INET, "127.0.0.1", test)
    assert len(upstream.seen) == 4


def test_many_who_ask_the_same_get_the_same(twins: Twins, upstream: UpstreamSimulator) -> None:
    packets = [corpus.question("open.example", "A", use_edns=0)] * 30
    packets += [corpus.question("to-sinkhole.example", "A")] * 10

    async def test(ports: Ports) -> None:
        await ports.ask_all(packets, "127.0.0.1")

    run(twins, socket.AF_INET, "127.0.0.1", test)
    assert len(upstream.seen) == 4, "each engine asked each question once"
