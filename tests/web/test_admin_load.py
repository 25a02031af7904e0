"""The admin port under load: who is slow, and who asks too much, takes it from nobody else."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import Awaitable, Callable, Coroutine

import pytest

from blockd.transports.connections import Bounds
from blockd.web.admin import admin_app
from blockd.web.admin_serving import ADMIN_BOUNDS, serve_admin
from blockd.web.bounds import costly
from blockd.web.serving import Serving
from tests.web.known import SECRET, known
from tests.web.test_admin import Daemon

PATIENCE = 60.0  # seconds after which a test that waits for a condition has failed
Ask = Callable[[str], Coroutine[None, None, tuple[int, bytes]]]


def serve_and(
    daemon: Daemon, use: Callable[[Serving, int, Ask], Awaitable[None]], bounds: Bounds = ADMIN_BOUNDS
) -> None:
    """Run the admin port; `use` is given the server, its port, and a way to ask it on a connection of its own."""

    async def run() -> None:
        with socket.create_server(("127.0.0.1", 0)) as bound:
            port = bound.getsockname()[1]
            serving = await serve_admin(admin_app(daemon, known()), [bound], bounds)

            async def ask(path: str) -> tuple[int, bytes]:
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                token = f"Authorization: Bearer {SECRET}\r\n"
                writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{token}Connection: close\r\n\r\n".encode())
                answer = await reader.read()
                writer.close()
                return int(answer.split(b" ", 2)[1]), answer.partition(b"\r\n\r\n")[2]

            try:
                await asyncio.wait_for(use(serving, port, ask), PATIENCE)
            finally:
                await serving.close()

    asyncio.run(run())


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110 - the kernel sets no event
        await asyncio.sleep(0.001)


def test_slow_clients_cannot_take_all_connections() -> None:
    async def use(serving: Serving, port: int, ask: Ask) -> None:
        slow = []
        for _ in range(12):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET /metrics HTTP/1.1\r\nHost: 127.")
            slow.append((reader, writer))
        assert (await ask("/healthz"))[0] == 200
        await until(lambda: len(serving.connections) <= 5)
        with contextlib.suppress(ConnectionResetError):
            assert await slow[0][0].read() == b"", "the longest idle one goes"
        assert not slow[-1][0].at_eof()
        for _, writer in slow:
            writer.close()

    serve_and(Daemon(), use, Bounds(5, 5, 5))


def test_a_client_that_waits_for_an_answer_is_not_idle() -> None:
    daemon = Daemon()
    began, go_on = asyncio.Event(), asyncio.Event()

    async def refresh(_names: list[str] | None, _by: str) -> object:
        began.set()
        await go_on.wait()
        return _Done()

    daemon.refresh = refresh  # type: ignore[assignment, method-assign]

    async def use(_serving: Serving, port: int, ask: Ask) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(
            b"POST /api/refresh HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            b"Authorization: Bearer %b\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}" % SECRET.encode()
        )
        await began.wait()
        for _ in range(6):
            assert (await ask("/healthz"))[0] == 200
        go_on.set()
        assert b" 200 " in await reader.read()
        writer.close()

    serve_and(daemon, use, Bounds(2, 2, 2))


class _Done:
    def to_json(self) -> dict[str, object]:
        return {"refreshed": True}


@pytest.mark.parametrize("path", ["/api/lookup?name=a.example", "/api/cache?name=a.example"])
def test_requests_beyond_those_that_may_wait_are_told_to_come_back(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(costly, "MAX_WAITING", 0)
    monkeypatch.setattr(costly, "AT_ONCE", 2)
    daemon = Daemon()
    waiting, go_on = [], asyncio.Event()

    async def slow(*_: object) -> object:
        waiting.append(path)
        await go_on.wait()
        return _Done()

    daemon.lookup = daemon.cached = slow  # type: ignore[assignment, method-assign]

    async def use(_serving: Serving, _port: int, ask: Ask) -> None:
        first = [asyncio.create_task(ask(path)) for _ in range(2)]
        await until(lambda: len(waiting) == 2)
        status, body = await ask(path)
        assert status == 503
        assert json.loads(body)["error"].endswith("Ask again in a second.")
        assert (await ask("/healthz"))[0] == 200, "health is told in any case"
        go_on.set()
        assert [status for status, _ in await asyncio.gather(*first)] == [200, 200]

    serve_and(daemon, use)


def test_requests_without_a_token_hold_up_none_that_has_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """With one request in 20 seconds, those without a token wait; those with one have a pace of their own."""
    monkeypatch.setattr(costly, "PER_SECOND", 0.05)
    monkeypatch.setattr(costly, "BURST_OF_REQUESTS", 1)

    async def use(serving: Serving, port: int, _ask: Ask) -> None:
        async def begin(header: bytes = b"") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n%bConnection: close\r\n\r\n" % header)
            return reader, writer

        reader, writer = await begin()
        assert b" 200 " in await reader.read()
        writer.close()
        waiting = [await begin() for _ in range(5)]
        await until(lambda: len(serving.connections) == 5)
        reader, writer = await begin(b"Authorization: Bearer %b\r\n" % SECRET.encode())
        assert b" 200 " in await reader.read()
        writer.close()
        assert not any(reader.at_eof() for reader, _ in waiting)
        for _, writer in waiting:
            writer.close()

    serve_and(Daemon(), use)
