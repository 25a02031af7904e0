"""Clients that ask anything and upstreams that answer anything, by real sockets, while everything changes."""

from __future__ import annotations

import random
import socket
import time
from pathlib import Path
from typing import cast

from blockd.resolver.engine._engine import NativeEngine
from blockd.resolver.forwarding.health import Health
from blockd.resolver.forwarding.native.forwarder import ForwardingOptions, NativeForwarder
from tests.fuzz.driver import driver
from tests.resolver import corpus
from tests.resolver.rig import LAST
from tests.resolver.twins import Twins

BURST = 64  # questions sent before the engine takes them
SOCKETS = 8
TIMEOUT = 0.25  # seconds: twice the least patience, so that more than one upstream is asked
CACHE_SIZE = 300_000  # octets: full at once, so that memory in use says whether any is lost
LEAK = 50_000  # octets by which memory in use may grow from a third of the way on


class Upstreams:
    """Two upstreams over UDP, which may go away and come back, and streams to both, which say anything or fail."""

    def __init__(self, engine: NativeEngine, chance: random.Random) -> None:
        self.engine = engine
        self.chance = chance
        self.on_streams: list[tuple[int, bytes]] = []
        self.bound = [_bound(), _bound()]
        self.given_back = 0
        self.change()

    # What the engine tells its forwarder.

    def ask_stream(self, place: int, message: bytes) -> None:
        """Take a question for a stream."""
        self.on_streams.append((place, message))

    def settled(self, number: int, message: bytes) -> None:
        """Take what answers a question of Python's."""

    def failed(self, number: int, errors: bytes, is_said: bool) -> None:
        """Take word of its failure."""

    def probe_answered(self, place: int, now: float, seconds: float, resolves: bool) -> None:
        """Note the answer to a probe."""
        self.healths[place].note_probe_answer(now, seconds, resolves)

    def probe_failed(self, place: int, now: float) -> None:
        """Note that none came."""
        self.healths[place].note_probe_silence(now)

    def change(self) -> None:
        """Have the engine ask anew: all that it knew is forgotten."""
        for sock in self.bound:
            sock.close()
        self.bound = [_bound(), _bound()]
        self.healths = [Health(time.monotonic()) for _ in self.bound]
        self.on_streams.clear()
        chance = self.chance
        told = [
            (f"upstream {place}", (*sock.getsockname(), 0), health)
            for place, (sock, health) in enumerate(zip(self.bound, self.healths, strict=True))
        ]
        groups = [(b"\7example\1a", [1]), (b"", [0, 1])]
        options = ForwardingOptions(
            TIMEOUT, chance.choice((1, 2, 3, 3)), chance.random() < 0.5, chance.random() < 0.5, SOCKETS, frozenset()
        )
        self.given_back += len(self.engine.forward(told, groups, options, cast(NativeForwarder, self)))
        self.engine.forwarding.is_started = True

    def restart(self) -> None:
        """Have one go away and come back on another port: the network says so."""
        place = self.chance.randrange(2)
        address = self.bound[place].getsockname()
        self.bound[place].close()
        try:
            self.bound[place] = _bound(address[1])
        except OSError:
            self.bound[place] = _bound()

    def answer_streams(self) -> None:
        """Answer or fail what was asked over streams."""
        asked, self.on_streams = self.on_streams, []
        for place, message in asked:
            if self.chance.randrange(3) == 0:
                ids = [int.from_bytes(message[:2]), self.chance.randrange(1 << 16)]
                self.given_back += len(self.engine.stream_failed(place, ids, b"the connection ended"))
                continue
            octets = bytearray(message)
            octets[2] |= 0x80
            octets[3] = self.chance.choice((0x80, 0x80, 0x83, 0x82, 0x85, 0x81))
            for _ in range(self.chance.randrange(4) if self.chance.randrange(2) else 0):
                octets[self.chance.randrange(2, len(octets))] = self.chance.randrange(256)
            cut = len(octets) - (self.chance.randrange(len(octets)) if self.chance.randrange(8) == 0 else 0)
            self.given_back += len(self.engine.land(place, bytes(octets[:cut])))

    def probe(self) -> None:
        """Send a probe, and ask a question of Python's."""
        self.engine.forwarding.probe(self.chance.randrange(2), b"\3net\x0croot-servers", 6)
        self.engine.resolve(b"\7example" + bytes((1, 97 + self.chance.randrange(26))), 1, False, False, 1)

    def close(self) -> None:
        """Close all of it."""
        self.engine.stop_forwarding()
        for sock in self.bound:
            sock.close()


def _bound(port: int = 0) -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
    try:
        sock.bind(("127.0.0.1", port))
    except OSError:
        sock.close()
        raise
    return sock


def traffic(folder: Path, count: int, seed: int, end: float) -> str:
    """Fuzz with traffic: `count` questions."""
    twins = Twins(folder, cache_size=CACHE_SIZE)
    engine = twins.native.resolver.engine
    assert isinstance(engine, NativeEngine)
    chance = random.Random(seed)  # noqa: S311 - a run can be repeated, but for what is in time
    upstreams = Upstreams(engine, chance)
    questions, answers = driver.Seeds(list(corpus.questions())), driver.Seeds(list(corpus.responses()))
    before: int | None = None
    with _bound() as served, socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        client.connect(served.getsockname())
        descriptor = engine.attach(served)
        run = driver.Traffic(engine, questions, answers, client, upstreams.bound[0], seed)
        while run.sent < count and time.monotonic() < end:
            run.ask(BURST)
            upstreams.given_back += len(engine.drain(descriptor))
            for sock in upstreams.bound:
                run.follow(sock)
                run.tell(chance.randrange(2 * BURST), chance.choice((0, 1, 8)))
            upstreams.given_back += len(engine.drain_upstreams())
            upstreams.answer_streams()
            run.hear()
            if chance.randrange(16) == 0:
                _disturb(twins, upstreams, chance)
            if before is None and run.sent > count // 3:
                upstreams.change()
                before = driver.heap()
        upstreams.change()
        run.hear()
        flights = engine.forwarding.flights
        assert (flights.count, flights.waiting, flights.late) == (0, 0, 0), "somebody waits for ever"
        grown = None if before is None else driver.heap() - before
        upstreams.close()
    assert grown is None or grown < LEAK, f"{grown:,} octets more are in use than after a third of it"
    memory = "too few to see memory lost" if grown is None else f"{grown:,} octets more in use at the end"
    return (
        f"{run.sent:,} sent, {run.heard:,} answered, {upstreams.given_back:,} given back; {run.asked:,} asked of the "
        f"upstreams, {run.told:,} of their answers sent; {memory}"
    )


def _disturb(twins: Twins, upstreams: Upstreams, chance: random.Random) -> None:
    """Change something."""
    match chance.randrange(10):
        case 0:
            twins.enforce(corpus.feeds()[: chance.randrange(3)])
        case 1 if twins.version:
            twins.pass_time(chance.choice((1, LAST)))
        case 2 if chance.randrange(4) == 0:
            upstreams.change()
        case 3 | 4:
            upstreams.restart()
        case 5 | 6 | 7:
            upstreams.probe()
