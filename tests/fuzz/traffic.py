"""Clients that ask anything and an upstream that answers anything, by real sockets, while everything changes."""

from __future__ import annotations

import contextlib
import random
import select
import socket
import time
from pathlib import Path

from blockd.resolver.engine._engine import NativeEngine
from tests.fuzz.driver import driver
from tests.resolver import corpus
from tests.resolver.rig import LAST
from tests.resolver.twins import Twins

BURST = 64  # questions sent before the engine takes them
SOCKETS = 8
CACHE_SIZE = 300_000  # octets: full at once, so that memory in use says whether any is lost
LEAK = 50_000  # octets by which memory in use may grow from a third of the way on


class Upstreams:
    """The engine's sockets to an upstream, which may go away and come back."""

    def __init__(self, engine: NativeEngine) -> None:
        self.engine = engine
        self.epoll = select.epoll()
        self.bound = _bound()
        self.sockets = [self._connected() for _ in range(SOCKETS)]
        engine.use_upstream(self.epoll.fileno(), [sock.fileno() for sock in self.sockets])

    def _connected(self) -> socket.socket:
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        sock.connect(self.bound.getsockname())
        self.epoll.register(sock.fileno(), select.EPOLLIN)
        return sock

    def renew(self, index: int) -> None:
        """Replace a socket where that may be."""
        sock = self._connected()
        with contextlib.suppress(ValueError):
            self.engine.flights.replace(index, sock.fileno())
            sock, self.sockets[index] = self.sockets[index], sock
        self.epoll.unregister(sock.fileno())
        sock.close()

    def change(self) -> None:
        """Ask another upstream with other sockets; nothing may be in the air."""
        self.engine.use_upstream(-1, [])
        self.close()
        self.epoll = select.epoll()
        self.bound = _bound()
        self.sockets = [self._connected() for _ in range(SOCKETS)]
        self.engine.use_upstream(self.epoll.fileno(), [sock.fileno() for sock in self.sockets])

    def close(self) -> None:
        """Close all of it."""
        for sock in (*self.sockets, self.bound):
            sock.close()
        self.epoll.close()


def _bound() -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
    sock.bind(("127.0.0.1", 0))
    return sock


def traffic(folder: Path, count: int, seed: int, end: float) -> str:
    """Fuzz with traffic: `count` questions."""
    twins = Twins(folder, cache_size=CACHE_SIZE)
    engine = twins.native.resolver.engine
    assert isinstance(engine, NativeEngine)
    chance = random.Random(seed)  # noqa: S311 - a run can be repeated, but for what is in time
    upstreams = Upstreams(engine)
    questions, answers = driver.Seeds(list(corpus.questions())), driver.Seeds(list(corpus.responses()))
    before: int | None = None
    given_back = 0
    with _bound() as served, socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        client.connect(served.getsockname())
        descriptor = engine.attach(served)
        run = driver.Traffic(engine, questions, answers, client, upstreams.bound, seed)
        while run.sent < count and time.monotonic() < end:
            run.ask(BURST)
            given_back += len(engine.drain(descriptor))
            run.tell(chance.randrange(2 * BURST), chance.choice((0, 1, 8)))
            given_back += len(engine.drain_upstreams())
            run.hear()
            if chance.randrange(16) == 0:
                given_back += _disturb(twins, engine, upstreams, chance)
                run.follow(upstreams.bound)
            if before is None and run.sent > count // 3:
                engine.give_up_before(float("inf"))
                before = driver.heap()
        engine.give_up_before(float("inf"))
        run.hear()
        assert (engine.flights.count, engine.flights.waiting) == (0, 0), "somebody waits for ever"
        grown = None if before is None else driver.heap() - before
        upstreams.close()
    assert grown is None or grown < LEAK, f"{grown:,} octets more are in use than after a third of it"
    memory = "too few to see memory lost" if grown is None else f"{grown:,} octets more in use at the end"
    return (
        f"{run.sent:,} sent, {run.heard:,} answered, {given_back:,} given back; {run.asked:,} asked of the upstream, "
        f"{run.told:,} of its answers sent; {memory}"
    )


def _disturb(twins: Twins, engine: NativeEngine, upstreams: Upstreams, chance: random.Random) -> int:
    """Change something; return how many who waited were given back."""
    match chance.randrange(10):
        case 0:
            twins.enforce(corpus.feeds()[: chance.randrange(3)])
        case 1 if twins.version:
            twins.pass_time(chance.choice((1, LAST)))
        case 2:
            return len(engine.give_up_before(time.monotonic() - chance.random() * 0.01))
        case 3:
            given_back = len(engine.give_up_before(float("inf")))
            upstreams.change()
            return given_back
        case 4:  # gone: the network says so
            upstreams.bound.close()
            upstreams.bound = _bound()
        case 5 | 6 | 7:
            index = chance.randrange(SOCKETS)
            engine.flights.rest(index)
            upstreams.renew(index)
        case 8:
            upstreams.renew(chance.randrange(-1, SOCKETS + 1) % SOCKETS)
    return 0
