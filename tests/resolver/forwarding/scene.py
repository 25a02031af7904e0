"""A resolver behind a UDP socket, on the engine that BLOCKD_ENGINE chooses, before upstreams that a test has made."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import dns.message

from blockd.settings import Upstream
from blockd.transports import UdpServer
from tests.resolver.rig import Answer, Clock, Rig, question

PATIENCE = 60.0  # seconds after which what a test waits for counts as missed
SHORT = 0.5  # seconds that clients wait where a test has a silent upstream


class MovableClock(Clock):
    """The real clock, by which flights go too, with so many seconds as a test adds."""

    def __init__(self) -> None:
        super().__init__(0.0)

    def __call__(self) -> float:
        """Return the seconds."""
        return time.monotonic() + self.now


class Scene:
    """A resolver that serves a UDP socket, and a client of it."""

    def __init__(self, rig: Rig, client: socket.socket) -> None:
        self.rig = rig
        self._client = client

    @property
    def served(self) -> tuple[str, int]:
        """The address that the resolver serves."""
        host, port = self._client.getpeername()
        return host, port

    @contextlib.contextmanager
    def client_at(self, host: str) -> Iterator[Scene]:
        """Return the same with a client at another address of this machine."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as client:
            client.bind((host, 0))
            client.connect(self.served)
            yield Scene(self.rig, client)

    async def ask(self, name: str, kind: str = "A", **edns: Any) -> Answer:
        """Ask one question."""
        (answer,) = await self.ask_all([name], kind, **edns)
        return answer

    async def ask_all(self, names: Sequence[str], kind: str = "A", **edns: Any) -> list[Answer]:
        """Ask questions at once, and return their answers in the same order."""
        loop = asyncio.get_running_loop()
        heard: dict[int, Answer] = {}
        for number, name in enumerate(names):
            query = question(name, kind, **{"use_edns": 0, **edns})
            query.id = number
            self._client.send(query.to_wire())
        while len(heard) < len(names):
            answer = dns.message.from_wire(await loop.sock_recv(self._client, 65535))
            assert answer.id not in heard, "one answer for one question"
            heard[answer.id] = Answer(answer)
        return [heard[number] for number in range(len(names))]


Test = Callable[[Scene], Awaitable[None]]


def play(folder: Path, upstreams: Sequence[Upstream], test: Test, **given: Any) -> None:
    """Run a test on a scene; `given` are what else a `Rig` takes."""
    rig = Rig(folder, *upstreams, is_tidy=False, clock=MovableClock(), **given)

    async def main() -> None:
        with (
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as served,
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as client,
        ):
            served.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
            served.bind(("127.0.0.1", 0))
            client.connect(served.getsockname())
            server = UdpServer([served], rig.resolver)
            rig.resolver.ask_upstreams(server.answer_later)
            try:
                async with asyncio.timeout(PATIENCE):
                    await test(Scene(rig, client))
            finally:
                rig.resolver.close()
                await server.close()

    asyncio.run(main())


async def until(condition: Callable[[], bool]) -> None:
    """Let the loop turn until a condition holds; the test's patience bounds it."""
    while not condition():  # noqa: ASYNC110 - what is waited for has no event
        await asyncio.sleep(0.005)
