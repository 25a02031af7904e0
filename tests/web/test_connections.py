"""Connections of the block page and the admin port: whose are closed when there are too many."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, cast

import pytest

from blockd.metrics import Closing
from blockd.orders import Verdict
from blockd.transports import line
from blockd.transports.connections import Bounds
from blockd.transports.pace import Pace, PaceBounds
from blockd.web import serving
from blockd.web.block_page import serve_block_page
from blockd.web.serving import BoundedConnection, Serving, ServingLimits, UnreadAnswers, bounds_of
from blockd.web.tls import serve_tls
from tests.web.sinkhole import Sinkhole

PATIENCE = 60.0  # seconds after which a test that waits for a condition has failed
REQUEST = b"GET / HTTP/1.1\r\nHost: blocked.example\r\n\r\n"


class Clients:
    """Clients at addresses of the loopback network, which they choose."""

    def __init__(self, serving: Serving, port: int) -> None:
        self.serving = serving
        self._port = port
        self._writers: list[asyncio.StreamWriter] = []

    async def connect(self, host: str = "127.0.0.1") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port, local_addr=(host, 0))
        self._writers.append(writer)
        return reader, writer

    async def until(self, condition: Callable[[], bool]) -> None:
        while not condition():  # noqa: ASYNC110 - the kernel sets no event
            await asyncio.sleep(0.001)

    def close(self) -> None:
        for writer in self._writers:
            writer.close()


def serve_and(
    sinkhole: Sinkhole, use: Callable[[Clients], Awaitable[None]], *, tls: bool = False, **limits: Any
) -> Counter[Closing]:
    """Serve, let clients do something, and return why connections were closed."""
    closed: Counter[Closing] = Counter()

    async def run() -> None:
        with socket.create_server(("127.0.0.1", 0)) as bound:
            start = serve_tls if tls else serve_block_page
            made = start(
                sinkhole.site, [bound], limits=ServingLimits(closed=lambda why: closed.update([why]), **limits)
            )
            clients = Clients(made, bound.getsockname()[1])
            try:
                await asyncio.wait_for(use(clients), PATIENCE)
            finally:
                clients.close()
                await made.close()

    asyncio.run(run())
    return closed


async def ends(reader: asyncio.StreamReader) -> bool:
    """Wait for the end of a connection to which nothing was sent."""
    with contextlib.suppress(ConnectionResetError):
        return await reader.read() == b""
    return True


@pytest.mark.parametrize("tls", [False, True])
def test_a_client_with_many_connections_loses_its_own(sinkhole: Sinkhole, tls: bool) -> None:
    async def use(clients: Clients) -> None:
        other, _ = await clients.connect("127.0.0.9")
        readers = [(await clients.connect())[0] for _ in range(5)]
        for reader in readers[:2]:
            assert await ends(reader)
        await clients.until(lambda: len(clients.serving.connections) == 4)
        assert not other.at_eof()

    assert serve_and(sinkhole, use, tls=tls, bounds=Bounds(3, 50, 100)) == {Closing.ADDRESS: 2}


def test_who_has_asked_stays_and_who_says_nothing_goes(sinkhole: Sinkhole) -> None:
    async def use(clients: Clients) -> None:
        visitor, writer = await clients.connect("127.0.0.2")
        silent = [(await clients.connect(f"127.0.{number}.1"))[0] for number in range(1, 4)]
        await clients.until(lambda: len(clients.serving.connections) == 4)
        writer.write(REQUEST)
        assert (await visitor.read(9)) == b"HTTP/1.1 "
        await clients.connect("127.0.9.1")
        assert await ends(silent[0])
        assert b"</html>" in await visitor.read()

    assert serve_and(sinkhole, use, bounds=Bounds(4, 4, 4)) == {Closing.ALL: 1}


def test_who_waits_for_where_a_name_leads_is_not_idle(sinkhole: Sinkhole) -> None:
    asked, told = asyncio.Event(), asyncio.Event()

    async def where_it_leads(_key: bytes, _client: bytes, /) -> None:
        asked.set()
        await told.wait()

    async def use(clients: Clients) -> None:
        object.__setattr__(sinkhole.site, "where_it_leads", where_it_leads)
        visitor, writer = await clients.connect("127.0.0.2")
        writer.write(REQUEST.replace(b"blocked", b"other"))
        await asked.wait()
        silent, _ = await clients.connect("127.0.1.1")
        await clients.until(lambda: len(clients.serving.connections) == 2)
        await clients.connect("127.0.2.1")
        assert await ends(silent)
        told.set()
        assert b" 404 " in await visitor.read()

    assert serve_and(sinkhole, use, bounds=Bounds(2, 2, 2)) == {Closing.ALL: 1}


def test_single_octets_are_no_activity(sinkhole: Sinkhole) -> None:
    async def use(clients: Clients) -> None:
        slow, writer = await clients.connect("127.0.0.2")
        await clients.until(lambda: len(clients.serving.connections) == 1)
        await clients.connect("127.0.1.1")
        await clients.until(lambda: len(clients.serving.connections) == 2)
        for octet in REQUEST[:20]:
            writer.write(bytes((octet,)))
            await writer.drain()
            await asyncio.sleep(0)
        await clients.connect("127.0.2.1")
        assert await ends(slow)

    assert serve_and(sinkhole, use, bounds=Bounds(2, 2, 2)) == {Closing.ALL: 1}


def test_a_newcomer_is_served_among_the_first_however_many_of_others_wait_in_the_kernel(
    sinkhole: Sinkhole, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving, "ACCEPTING", PATIENCE)  # as on a machine that is fast enough
    served: list[bytes] = []
    verdict_of = sinkhole.verdict_of

    def recorded(key: bytes, client: bytes, /) -> Verdict:
        served.append(client)
        return verdict_of(key, client)

    newcomer = "127.0.9.1"

    async def run() -> None:
        with socket.create_server(("127.0.0.1", 0), backlog=200) as bound, contextlib.ExitStack() as opened:
            for host in [*(f"127.0.{1 + number % 3}.{1 + number % 50}" for number in range(150)), newcomer]:
                waiting = opened.enter_context(socket.create_connection(bound.getsockname(), source_address=(host, 0)))
                waiting.sendall(REQUEST)
            made = serve_block_page(replace(sinkhole.site, verdict_of=recorded), [bound])
            while len(served) < 151:  # noqa: ASYNC110 - until all have been served
                await asyncio.sleep(0.001)
            await made.close()

    asyncio.run(asyncio.wait_for(run(), PATIENCE))
    assert served.index(socket.inet_aton(newcomer)) < 2 * line.AT_ONCE


def test_beyond_its_pace_a_client_is_closed_at_once_and_others_are_served(sinkhole: Sinkhole) -> None:
    async def use(clients: Clients) -> None:
        for _ in range(2):
            reader, writer = await clients.connect()
            writer.write(REQUEST)
            assert b" 451 " in await reader.read()
        for _ in range(3):
            reader, _ = await clients.connect()
            assert await ends(reader)
        reader, writer = await clients.connect("127.0.0.2")
        writer.write(REQUEST)
        assert b" 451 " in await reader.read()

    pace = Pace(PaceBounds(address=2, prefix=100), lambda: 7.0)
    assert serve_and(sinkhole, use, pace=pace) == {Closing.PACE: 3}
    assert sinkhole.requests == ["http"] * 3


def test_answers_that_nobody_reads_are_given_up(sinkhole: Sinkhole, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "MAX_UNREAD", 20_000)
    unsent = {"value": 1}
    monkeypatch.setattr(serving.BoundedConnection, "unsent", property(lambda _: unsent["value"]))

    async def use(clients: Clients) -> None:
        opened = []
        for number in range(1, 9):
            reader, writer = await clients.connect(f"127.0.{number}.1")
            writer.write(REQUEST)
            assert await reader.read(9) == b"HTTP/1.1 "
            opened.append(reader)
            assert 0 < clients.serving._unread.octets <= 20_000
        unsent["value"] = 0
        assert len(clients.serving._unread) < len(opened)

    serve_and(sinkhole, use)


def test_a_network_that_reads_nothing_has_no_answer_to_another_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "MAX_UNREAD", 100)
    unread, first, crowd = UnreadAnswers(), connection(), [connection() for _ in range(30)]
    assert unread.add(first, b"a", 40) == []
    given_up = [one for number in crowd for one in unread.add(number, b"b", 10)]
    assert given_up == crowd[:24]
    assert (len(unread), unread.octets) == (7, 100)
    assert unread.add(first, b"a", 200) == [first], "the only one that is too much by itself"
    for one in (*crowd, first):
        unread.remove(one)
    assert (len(unread), unread.octets) == (0, 0)


def connection() -> BoundedConnection:
    return cast(BoundedConnection, object())


def test_one_address_has_no_more_than_an_eighth_of_the_places() -> None:
    assert bounds_of(1000) == Bounds(50, 300, 1000)
    assert bounds_of(40) == Bounds(5, 20, 40)
    assert bounds_of(1) == Bounds(1, 1, 1)
