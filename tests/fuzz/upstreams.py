"""Upstreams round an engine that say anything, late or never, over UDP and over streams, and that change meanwhile."""

from __future__ import annotations

import itertools
import random
import socket
import time
from typing import cast

from blockd.resolver.engine._engine import NativeEngine
from blockd.resolver.forwarding.floods import FloodLimit, Floods
from blockd.resolver.forwarding.health import DISCONNECTED, Health
from blockd.resolver.forwarding.native.forwarder import ForwardingOptions, NativeForwarder

SOCKETS = 8
TIMEOUTS = (0.01, 0.05, 0.25)  # seconds: the last is twice the least patience, so that more than one upstream is asked
ATTEMPTS = (3, 2, 3, 1, 3)
PATIENCES = (0.0, 0.1, 0.005, 10.0, 0.0, 0.005, 0.05)  # seconds until what has expired is given
FLOOD_RATE = 200.0  # names a second: some are held back, and not most
BUDGETS = (0.003, 0.0, 0.0001)  # seconds of a turn: with none of them, all that can be left to the next one is
TURNS = 100_000  # in which all is done that is left, however little each does
STREAMED = 2  # the place of the upstream that is asked over a stream only
GROUPS: tuple[list[tuple[bytes, list[int]]], ...] = (
    [(b"", [0, 1, STREAMED])],
    [(b"\7example\1a", [1]), (b"", [0, 1])],
    [(b"\7example", [STREAMED]), (b"\4test", [0, STREAMED]), (b"", [1, 0])],
    [(b"\4test", []), (b"", [0, 0, 1])],
)


class Upstreams:
    """Two upstreams over UDP, which may go away and come back, and streams to these and to a third, which may fail."""

    def __init__(self, engine: NativeEngine, chance: random.Random) -> None:
        self.engine = engine
        self.chance = chance
        self.on_streams: list[tuple[int, bytes]] = []
        self.bound = [bound_socket(), bound_socket()]
        self.healths: list[Health] = []
        self.given_back = self.numbered = self.settlements = self.failures = self.launched = 0
        self.streams_answered = self.streams_failed = self.probes_answered = self.probes_failed = self.late = 0
        self.waiting: set[int] = set()
        self.floods = Floods(FloodLimit(FLOOD_RATE), lambda _: None)
        self._layouts, self._timeouts = itertools.cycle(GROUPS), itertools.cycle(TIMEOUTS)
        self._budgets = itertools.cycle(BUDGETS)
        self._attempts, self._patiences = itertools.cycle(ATTEMPTS), itertools.cycle(PATIENCES)
        self.change()

    # What the engine tells its forwarder.

    def ask_stream(self, place: int, message: bytes) -> None:
        """Take a question for a stream."""
        self.on_streams.append((place, message))

    def settled(self, number: int, message: bytes, source: str) -> None:
        """Take what answers a question of Python's."""
        self.waiting.remove(number)
        assert len(message) >= 12, "no message answers a question"
        self.settlements += 1

    def failed(self, number: int, errors: bytes, is_said: bool) -> None:
        """Take word of its failure."""
        self.waiting.remove(number)
        assert is_said or len(errors) >= 6, "nothing says why a question failed"
        self.failures += 1

    def probe_answered(self, place: int, now: float, seconds: float, resolves: bool) -> None:
        """Note the answer to a probe."""
        self.probes_answered += 1
        self.healths[place].note_probe_answer(now, seconds, resolves)

    def probe_failed(self, place: int, now: float) -> None:
        """Note that none came."""
        self.probes_failed += 1
        self.healths[place].note_probe_silence(now)

    def change(self) -> None:
        """Have the engine ask other groups while questions are in flight; what is known of upstreams may be kept."""
        chance = self.chance
        is_new = not self.healths or chance.randrange(2) == 0
        if is_new:
            for sock in self.bound:
                sock.close()
            self.bound = [bound_socket(), bound_socket()]
        if self.engine.forwarding is not None:
            self.launched += self.engine.forwarding.flights.launched
        addresses = [(*sock.getsockname(), "") for sock in self.bound]
        healths = [Health(time.monotonic()) for _ in range(3)] if is_new else self.healths
        told = [(f"upstream {place}", where, healths[place]) for place, where in enumerate((*addresses, None))]
        options = ForwardingOptions(
            next(self._timeouts),
            next(self._attempts),
            chance.random() < 0.5,
            chance.random() < 0.5,
            SOCKETS,
            frozenset(),
            self.floods,
        )
        self.engine.stale_after = next(self._patiences)
        self.engine.turn_budget = next(self._budgets)
        before = self.engine.forwarding
        self.given_back += len(self.engine.forward(told, next(self._layouts), options, cast(NativeForwarder, self)))
        if before is not None:
            flights = before.flights
            self._catch_up()
            assert (flights.count, flights.waiting, flights.late) == (0, 0, 0), "somebody waits for ever"
        self.late += sum(health.late for health in self.healths) if is_new else 0
        self.healths = healths
        self.on_streams.clear()
        self.engine.forwarding.is_started = True

    def _catch_up(self) -> None:
        """Have the engine do what it has left for its next turns, which must come to an end."""
        for _ in range(TURNS):
            if not self.engine.is_behind:
                return
            self.given_back += len(self.engine.drain_upstreams())
        raise AssertionError("the engine is never done")

    def restart(self) -> None:
        """Have one go away and come back, perhaps on another port: the network says so."""
        place = self.chance.randrange(2)
        address = self.bound[place].getsockname()
        self.bound[place].close()
        try:
            self.bound[place] = bound_socket(address[1])
        except OSError:
            self.bound[place] = bound_socket()

    def answer_streams(self) -> None:
        """Answer or fail what was asked over streams, or wait."""
        asked, self.on_streams = self.on_streams, []
        for place, message in asked:
            kind = self.chance.randrange(8)
            if kind == 0:
                ids = [int.from_bytes(message[:2]), self.chance.randrange(1 << 16)]
                self.given_back += len(self.engine.stream_failed(place, ids, DISCONNECTED, b"the connection ended"))
                self.streams_failed += 1
            elif kind == 1 and len(self.on_streams) < 1000:
                self.on_streams.append((place, message))
            elif kind > 2:
                self.given_back += len(self.engine.land(place, self._said(message)))
                self.streams_answered += 1

    def _said(self, message: bytes) -> bytes:
        octets = bytearray(message)
        octets[2] |= 0x80
        octets[3] = self.chance.choice((0x80, 0x80, 0x83, 0x82, 0x85, 0x81))
        for _ in range(self.chance.randrange(4) if self.chance.randrange(2) else 0):
            octets[self.chance.randrange(2, len(octets))] = self.chance.randrange(256)
        cut = len(octets) - (self.chance.randrange(len(octets)) if self.chance.randrange(8) == 0 else 0)
        return bytes(octets[:cut])

    def probe(self) -> None:
        """Send a probe, and ask questions of Python's."""
        self.engine.forwarding.probe(self.chance.randrange(3), b"\3net\x0croot-servers", 6)
        for zone in (b"\7example", b"\4test", b"\7example\4open", b"\7example\4open"):
            self.numbered += 1
            self.waiting.add(self.numbered)
            name = zone + b"\3" + bytes(self.chance.choices(b"abcdefgh", k=3))
            asker = self.chance.randbytes(self.chance.choice((0, 4, 8)))
            if self.engine.resolve(name, 1, self.chance.randrange(2) == 0, False, self.numbered, asker) is not None:
                self.waiting.remove(self.numbered)
                self.failures += 1

    def flush(self, name: bytes, *, below: bool) -> None:
        """Forget all that is cached and remembered of a name, or below it, as an operator may."""
        cache, forwarding = self.engine.cache, self.engine.forwarding
        for found in cache.search(name, below=below):
            self.given_back += len(self.engine.drain_upstreams())  # between two parts of a search others go on
            for question in found:
                if cache.remove(question):
                    assert cache.peek(question) is None, "what was removed is still there"
        for part in forwarding.remembered(name, below=below):
            for key, qtype, do, cd, _, _ in part:
                self.engine.forget(key, qtype, do, cd)
        assert not any(forwarding.remembered(name, below=below)), "what was forgotten is remembered"

    def end_flights(self) -> None:
        """Ask nothing more until the next change; a change alone would take the flights with it."""
        self.given_back += len(self.engine.stop_forwarding())
        self.floods = Floods(FloodLimit(FLOOD_RATE), lambda _: None)
        assert not self.waiting, "nobody told a question's end"

    def close(self) -> None:
        """Close all of it."""
        self.end_flights()
        for sock in self.bound:
            sock.close()


def bound_socket(port: int = 0) -> socket.socket:
    """Return a socket at a port of loopback, which never waits; raises OSError if it is in use."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
    try:
        sock.bind(("127.0.0.1", port))
    except OSError:
        sock.close()
        raise
    return sock
