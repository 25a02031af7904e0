"""The way into the admin port, over sockets whose owners are made up: a user that floods it keeps nobody else out."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import socket
from collections.abc import Awaitable, Callable, Iterable

import pytest

from blockd.metrics import Closing
from blockd.transports.connections import Bounds
from blockd.web import admin_door
from blockd.web.admin import admin_app
from blockd.web.admin_door import AdminServing
from blockd.web.admin_serving import serve_admin
from blockd.web.bounds import admin_places, costly
from blockd.web.bounds.admin_closings import AdminClosings
from blockd.web.bounds.local_users import Ends, SocketOwners
from tests.web.known import known, token_of
from tests.web.test_admin import Daemon, Told
from tests.web.test_admin_load import PATIENCE, until

SOMEBODY, OTHER = 65534, 1000
BOUNDS = Bounds(address=4, prefix=6, all=10)


class Owners(SocketOwners):
    """What the kernel says, with other users for the ports that are named."""

    def __init__(self) -> None:
        super().__init__()
        self.users: dict[int, int] = {}

    def of_clients(self, connections: Iterable[Ends]) -> dict[Ends, int]:
        found = super().of_clients(connections)
        return {ends: self.users.get(ends[0][1], user) for ends, user in found.items()}


class Scene:
    """A running admin port, and its clients."""

    def __init__(self, serving: AdminServing, port: int, owners: Owners, closings: AdminClosings) -> None:
        self.serving = serving
        self.closings = closings
        self.port = port
        self._owners = owners

    async def ask(self, path: str, user: int = os.geteuid()) -> tuple[int, str]:
        """Return the status and the head and body of the answer to a user, status 0 if there is none."""
        sock = socket.socket()
        sock.setblocking(False)
        sock.bind(("127.0.0.1", 0))
        self._owners.users[sock.getsockname()[1]] = user
        await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", self.port))
        reader, writer = await asyncio.open_connection(sock=sock)
        token = f"Authorization: Bearer {token_of(user)}\r\n"
        writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{token}Connection: close\r\n\r\n".encode())
        try:
            answer = (await reader.read()).decode()
        finally:
            writer.close()
        return (int(answer.split(" ", 2)[1]) if answer else 0), answer


class SlowDaemon(Daemon):
    """Answers lookups when it may."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0
        self.go_on = asyncio.Event()

    async def lookup(self, query: object) -> Told:
        self.asked += 1
        await self.go_on.wait()
        return Told({"is": "told"})


def serve_and(use: Callable[[Scene, SlowDaemon], Awaitable[None]]) -> AdminClosings:
    """Run an admin port; return what it closed."""
    closings = AdminClosings()

    async def run() -> None:
        daemon, owners = SlowDaemon(), Owners()
        with socket.create_server(("127.0.0.1", 0)) as bound:
            app = admin_app(daemon, known(users=(SOMEBODY, OTHER, os.geteuid())))
            serving = await serve_admin(app, [bound], BOUNDS, closings, owners)
            try:
                scene = Scene(serving, bound.getsockname()[1], owners, closings)
                await asyncio.wait_for(use(scene, daemon), PATIENCE)
            finally:
                daemon.go_on.set()
                await serving.close()

    asyncio.run(run())
    return closings


LOOKUP = "/api/lookup?name=a.example"


def test_user_that_floods_waits_for_itself_and_everybody_else_is_answered(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admin_door, "WAIT", PATIENCE)  # a busy machine takes seconds to fork who asks

    async def use(scene: Scene, daemon: SlowDaemon) -> None:
        flood = [asyncio.create_task(scene.ask(LOOKUP, SOMEBODY)) for _ in range(12)]
        await until(lambda: daemon.asked == BOUNDS.address and len(scene.serving._callers) == 12 - BOUNDS.address)
        for user in (os.geteuid(), OTHER, os.geteuid(), OTHER):
            assert (await scene.ask("/healthz", user))[0] == 200
        assert not any(one.done() for one in flood)
        assert {scene.serving.client_of(one) for one in scene.serving.connections} == {b"u\0\0\xff\xfe"}
        daemon.go_on.set()
        assert [status for status, _ in await asyncio.gather(*flood)] == [200] * 12

    with caplog.at_level(logging.WARNING):
        closings = serve_and(use)
    assert sum(closings.counts) == 0
    (told,) = [record.getMessage() for record in caplog.records if "floods the admin port" in record.getMessage()]
    assert told.startswith("A local user (uid 65534) floods the admin port: all 4 connections")
    assert "127.0.0.1" not in told


def test_who_waits_too_long_is_told_to_come_back_and_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admin_door, "WAIT", 0.0)

    async def use(scene: Scene, daemon: SlowDaemon) -> None:
        flood = [asyncio.create_task(scene.ask(LOOKUP, SOMEBODY)) for _ in range(BOUNDS.address)]
        await until(lambda: daemon.asked == BOUNDS.address)
        status, answer = await scene.ask(LOOKUP, SOMEBODY)
        assert status == 503
        assert "\r\nRetry-After: 1\r\n" in answer
        assert "Nothing was done" in json.loads(answer.partition("\r\n\r\n")[2])["error"]
        daemon.go_on.set()
        assert [status for status, _ in await asyncio.gather(*flood)] == [200] * BOUNDS.address

    monkeypatch.setattr(costly, "AT_ONCE", 10)
    closings = serve_and(use)
    assert closings.counts[Closing.ALL] == sum(closings.counts) == 1


def test_of_too_many_that_wait_the_first_of_who_has_most_is_told_to_come_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(admin_door, "MOST_WAITING", 3)
    monkeypatch.setattr(admin_door, "WAIT", PATIENCE)  # nobody waits too long, however slow the machine is

    async def use(scene: Scene, daemon: SlowDaemon) -> None:
        flood = [asyncio.create_task(scene.ask(LOOKUP, SOMEBODY)) for _ in range(BOUNDS.address)]
        await until(lambda: daemon.asked == BOUNDS.address)
        flood += [asyncio.create_task(scene.ask(LOOKUP, SOMEBODY)) for _ in range(5)]
        await until(lambda: sum(one.done() for one in flood) == 2)
        assert (await scene.ask("/healthz", OTHER))[0] == 200
        assert {one.result()[0] for one in flood if one.done()} == {503}
        daemon.go_on.set()
        await asyncio.gather(*flood)

    assert serve_and(use).counts[Closing.ALL] == 3, "one more made room in line for the newcomer"


def test_idle_connection_makes_room_and_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admin_places, "READING", 0.0)

    async def use(scene: Scene, _daemon: SlowDaemon) -> None:
        quiet = [await asyncio.open_connection("127.0.0.1", scene.port) for _ in range(BOUNDS.address)]
        await until(lambda: len(scene.serving.connections) == BOUNDS.address)
        assert (await scene.ask("/healthz"))[0] == 200
        for _, writer in quiet:
            writer.close()

    closings = serve_and(use)
    assert closings.counts[Closing.ADDRESS] == 1


def test_requests_of_other_users_take_the_turn_of_who_asks_most(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(costly, "AT_ONCE", 1)
    monkeypatch.setattr(costly, "MAX_WAITING", 2)

    async def use(scene: Scene, daemon: SlowDaemon) -> None:
        flood = [asyncio.create_task(scene.ask(LOOKUP, SOMEBODY)) for _ in range(3)]
        await until(lambda: daemon.asked == 1 and len(scene.serving.connections) == 3)
        other = asyncio.create_task(scene.ask(LOOKUP, OTHER))
        await until(lambda: any(one.done() for one in flood))
        assert [one.result()[0] for one in flood if one.done()] == [503]
        assert not other.done()
        daemon.go_on.set()
        assert (await other)[0] == 200
        await asyncio.gather(*flood)

    serve_and(use)
