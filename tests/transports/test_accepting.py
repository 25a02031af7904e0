from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
import resource
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar

import pytest

from blockd.transports import accepting
from blockd.transports.accepting import Acceptor
from tests.transports.loops import Run, until


@dataclass
class Service:
    """A listening socket, and what came of its connections."""

    listening: socket.socket = field(default_factory=lambda: socket.create_server(("127.0.0.1", 0), backlog=1024))
    made: list[asyncio.Transport] = field(default_factory=list)
    lost: list[asyncio.Transport] = field(default_factory=list)
    lacking: int = 0

    def admit(self, host: str, _: socket.socket) -> asyncio.Protocol:
        """Admit everybody."""
        assert host == "127.0.0.1"
        return Noting(self)

    def lack(self) -> None:
        """Count one that was closed."""
        self.lacking += 1

    def accept(self) -> Acceptor:
        """Accept from now on."""
        return Acceptor(self.listening, self.admit, self.lack)

    def clients(self, count: int) -> list[socket.socket]:
        """Connect some, whether they are accepted or not."""
        return [socket.create_connection(self.listening.getsockname()) for _ in range(count)]

    def close(self, acceptor: Acceptor, *clients: socket.socket) -> None:
        """End all."""
        acceptor.close()
        for client in clients:
            client.close()
        for transport in self.made:
            transport.abort()
        self.listening.close()


class Noting(asyncio.Protocol):
    """Notes its connection's beginning and end."""

    def __init__(self, service: Service) -> None:
        self.service = service

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Note it."""
        self.transport = transport
        self.service.made.append(transport)  # type: ignore[arg-type]

    def connection_lost(self, _: Exception | None) -> None:
        """Note it."""
        self.service.lost.append(self.transport)  # type: ignore[arg-type]


@contextlib.contextmanager
def without_descriptors() -> Iterator[None]:
    """Let this process open no more files until the end of the block."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest = os.dup(0)
    os.close(lowest)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def is_ended(client: socket.socket) -> bool:
    """Return whether the other side has closed a connection."""
    client.setblocking(False)
    try:
        return client.recv(1) == b""
    except BlockingIOError:
        return False
    except ConnectionResetError:
        return True


def test_what_is_admitted_is_connected_and_else_closed_at_once(run: Run) -> None:
    async def main() -> None:
        service = Service()
        hosts: list[str] = []

        def admit(host: str, connection: socket.socket) -> asyncio.Protocol | None:
            assert connection.getsockname() == service.listening.getsockname()
            hosts.append(host)
            return None if len(hosts) == 1 else Noting(service)

        acceptor = Acceptor(service.listening, admit)
        clients = service.clients(2)
        await until(lambda: len(service.made) == 1)
        assert hosts == ["127.0.0.1"] * 2
        await until(lambda: is_ended(clients[0]))
        assert not is_ended(clients[1])
        service.close(acceptor, *clients)
        await until(lambda: len(service.lost) == 1)

    run(main())


def test_no_more_are_admitted_in_one_turn_than_others_can_wait_for(run: Run) -> None:
    turns: list[int] = [0]

    async def main() -> None:
        service = Service()
        loop = asyncio.get_running_loop()

        def admit(host: str, connection: socket.socket) -> asyncio.Protocol:
            turns[-1] += 1
            return service.admit(host, connection)

        def turn() -> None:
            turns.append(0)
            loop.call_soon(turn)

        clients = service.clients(100)
        acceptor = Acceptor(service.listening, admit)
        loop.call_soon(turn)
        await until(lambda: len(service.made) == 100)
        service.close(acceptor, *clients)
        await until(lambda: len(service.lost) == 100)

    run(main())
    assert max(turns) <= accepting.AT_ONCE


def test_who_is_admitted_does_not_wait_behind_those_that_are_closed_at_once(run: Run) -> None:
    async def main() -> None:
        service = Service()
        seen: list[str] = []

        def admit(host: str, connection: socket.socket) -> asyncio.Protocol | None:
            seen.append(host)
            return service.admit(host, connection) if len(seen) > 100 else None

        clients = service.clients(101)
        acceptor = Acceptor(service.listening, admit, clock=lambda: 0.0)
        acceptor._accept()
        assert len(seen) == 101
        await until(lambda: len(service.made) == 1)
        service.close(acceptor, *clients)
        await until(lambda: len(service.lost) == 1)

    run(main())


def test_time_bounds_those_that_are_closed_at_once(run: Run) -> None:
    async def main() -> None:
        service = Service()
        clients = service.clients(3)
        clock = iter([0.0, 0.0, 1.0])
        seen: list[str] = []
        acceptor = Acceptor(service.listening, lambda host, _: seen.append(host), clock=lambda: next(clock))
        acceptor._accept()
        assert len(seen) == 2
        service.close(acceptor, *clients)

    run(main())


def test_time_is_a_bound_as_well(run: Run) -> None:
    async def main() -> None:
        service = Service()
        clients = service.clients(3)
        clock = iter([0.0, 1.0] * 100)
        acceptor = Acceptor(service.listening, service.admit, clock=lambda: next(clock))
        acceptor._accept()
        assert len(acceptor._connecting) == 1
        await until(lambda: len(service.made) == 3)
        service.close(acceptor, *clients)
        await until(lambda: len(service.lost) == 3)

    run(main())


def test_without_descriptors_newcomers_are_closed_and_it_is_told_once_a_minute(
    run: Run, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accepting, "_told", -accepting.LOG_EVERY)

    async def main() -> None:
        service = Service()
        acceptor = service.accept()
        (early,) = service.clients(1)
        await until(lambda: len(service.made) == 1)
        late = service.clients(40)
        with without_descriptors():
            await until(lambda: service.lacking == 40)
            await until(lambda: all(map(is_ended, late)))
            assert len(service.made) == 1
            assert not is_ended(early)
        more = service.clients(3)
        await until(lambda: len(service.made) == 4)
        service.close(acceptor, early, *late, *more)
        await until(lambda: len(service.lost) == 4)

    with caplog.at_level(logging.DEBUG):
        run(main())
    (record,) = [record for record in caplog.records if record.name == "blockd.transports.accepting"]
    assert record.getMessage().startswith(
        "New connections are closed, since no descriptor can be had for them (Too many open files)"
    )
    assert not [record for record in caplog.records if record.exc_info]


def test_if_not_even_one_can_be_had_it_waits_instead_of_trying_in_every_turn(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accepting, "PAUSE", 0.01)

    async def main() -> None:
        service = Service()
        acceptor = service.accept()
        waiting = service.clients(2)
        with without_descriptors():
            assert acceptor._spare is not None
            os.close(acceptor._spare)
            acceptor._spare = None
            taken = os.open("/", os.O_RDONLY)  # somebody else has it
            await until(lambda: acceptor._pause is not None)
            assert not any(map(is_ended, waiting))
            os.close(taken)
        await until(lambda: len(service.made) == 2)
        service.close(acceptor, *waiting)
        await until(lambda: len(service.lost) == 2)

    run(main())


def test_an_error_of_one_connection_is_passed_over(run: Run) -> None:
    class Failing(socket.socket):
        errors: ClassVar = [errno.ECONNABORTED, errno.EPROTO]

        def accept(self) -> tuple[socket.socket, Any]:
            if self.errors:
                raise OSError(self.errors.pop(), "the first ones")
            return super().accept()

    async def main() -> None:
        service = Service()
        listening = Failing(fileno=os.dup(service.listening.fileno()))
        acceptor = Acceptor(listening, service.admit, service.lack)
        clients = service.clients(1)
        await until(lambda: len(service.made) == 1)
        service.close(acceptor, *clients)
        listening.close()
        await until(lambda: len(service.lost) == 1)

    run(main())
